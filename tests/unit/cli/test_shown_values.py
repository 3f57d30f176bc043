"""How reads are shown."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from celeriac.cli.output import nearest, print_json, print_table, say_age
from celeriac.cli.send import read_kwargs, value
from celeriac.errors import CommandError
from celeriac.plan import Queue


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (0.04, "0.0s"),
        (9.96, "10.0s"),
        (59, "59s"),
        (185, "3m 5s"),
        (7800, "2h 10m"),
        (356400, "4d 3h"),
        (-1, "0.0s"),
    ],
)
def test_ages_read_as_people_say_them(seconds, said):
    assert say_age(seconds) == said


def test_json_writes_durations_as_the_plan_does(capsys):
    print_json({"queue": Queue(max_wait=timedelta(seconds=2)), "folder": Path("/x")})
    shown = json.loads(capsys.readouterr().out)
    assert shown["queue"]["max_wait"] == "2s"
    assert shown["folder"] == "/x"


def test_a_table_in_a_pipe_is_not_folded(capsys):
    print_table(["a", "b"], [("x" * 150, 1)])
    assert "x" * 150 in capsys.readouterr().out


def test_what_a_table_shows_is_not_markup(capsys):
    print_table(["a"], [("[red]not red[/red]",)])
    assert "[red]not red[/red]" in capsys.readouterr().out


def test_the_nearest_word_is_named_only_if_it_is_near():
    assert nearest("shop.ad", ["shop.add", "shop.fail"]) == "shop.add"
    assert nearest("xyz", ["shop.add"]) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [("1", 1), ("1.5", 1.5), ("null", None), ('"1"', "1"), ("[1, 2]", [1, 2]), ("hello", "hello"), ("", "")],
)
def test_an_argument_is_json_or_else_text(text, read):
    assert value(text) == read


def test_keyword_arguments_need_a_name():
    assert read_kwargs(["a=1", "b=x=y"]) == {"a": 1, "b": "x=y"}
    for wrong in ("a", "=1", "a b=1"):
        with pytest.raises(CommandError):
            read_kwargs([wrong])
