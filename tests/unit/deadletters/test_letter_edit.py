"""Mending: the call changes, what follows it stays, and the original is kept."""

import base64
import json

import pytest
from celery import chain
from kombu.serialization import loads
from msgspec.structs import replace

from celeriac.deadletters import Change, edit, read_values
from celeriac.deadletters.call import Unreadable, call_of
from celeriac.errors import LetterError

ACCEPT = ["json"]


def body_of(letter):
    return json.loads(letter.body)


def test_values_are_set_at_their_paths_and_the_rest_stays(bench):
    letter = bench.letter({"rows": [{"price": "x"}, 2]}, kwargs={"a": 1})
    change = Change(
        values=read_values(["args.0.rows.0.price=12", "args.0.rows.2=new", "kwargs.b=text", 'kwargs.c="3"'])
    )
    args, kwargs, _ = body_of(edit(letter, change, bench.app))
    assert args == [{"rows": [{"price": 12}, 2, "new"]}]
    assert kwargs == {"a": 1, "b": "text", "c": "3"}


def test_new_args_and_kwargs_replace_the_old_and_show_in_the_representation(bench):
    mended = edit(bench.letter(1), Change(args=[5], kwargs={"y": 6}), bench.app)
    assert body_of(mended)[:2] == [[5], {"y": 6}]
    assert (mended.headers["argsrepr"], mended.headers["kwargsrepr"]) == ("(5,)", "{'y': 6}")


def test_the_chain_behind_a_task_survives_an_edit(bench):
    add = bench.app.signature
    chain(add("shop.add", (1,)), add("shop.add", (2,))).apply_async()
    letter_id = bench.capture(bench.take())
    bench.recorder.catch_up()
    letter = bench.records.get(letter_id)
    assert body_of(edit(letter, Change(args=[9]), bench.app))[2] == body_of(letter)[2]
    assert body_of(letter)[2]["chain"], "there was a chain to keep"


def test_the_original_is_kept_from_the_first_edit_on(bench):
    letter = bench.letter(1)
    once = edit(letter, Change(args=[2]), bench.app)
    twice = edit(once, Change(args=[3]), bench.app)
    assert base64.b64decode(twice.original["body"]) == letter.body
    assert twice.original["headers"] == letter.headers


def test_dates_in_arguments_that_were_not_touched_stay_dates(bench):
    from datetime import UTC, datetime

    when = datetime(2026, 1, 2, tzinfo=UTC)
    mended = edit(
        bench.letter(when, kwargs={"y": "x"}), Change(values=read_values(["kwargs.y=1"])), bench.app
    )
    args, kwargs, _ = loads(mended.body, mended.content_type, mended.content_encoding)
    assert (args, kwargs) == ([when], {"y": 1})


@pytest.mark.parametrize("path", ["args.7", "args.x", "other.a", "args", "kwargs.a.b", ""])
def test_a_path_that_leads_nowhere_is_refused(bench, path):
    with pytest.raises(LetterError, match="LETTER-013"):
        edit(bench.letter(1), Change(values=((path, 1),)), bench.app)


def test_a_pair_without_an_equals_sign_is_refused():
    with pytest.raises(LetterError, match="LETTER-014"):
        read_values(["args.0"])


def test_a_message_nobody_could_read_becomes_a_proper_one(bench):
    broken = replace(
        bench.letter(1),
        task=None,
        task_id=None,
        body=b"\xff",
        content_type="application/octet-stream",
        headers={"compression": "odd", "timelimit": "soon"},
        properties={},
    )
    with pytest.raises(Unreadable):
        call_of(broken, ACCEPT)
    with pytest.raises(LetterError, match="LETTER-012") as refused:
        edit(broken, Change(args=[1]), bench.app)
    assert "shop.add" in refused.value.known
    mended = edit(broken, Change(task="shop.add", args=[1]), bench.app)
    assert call_of(mended, ACCEPT).args == [1]
    assert mended.task_id == mended.headers["id"] == mended.properties["correlation_id"] == broken.id


def test_content_the_app_does_not_accept_is_never_decoded(bench, tmp_path):
    import pickle

    trap = tmp_path / "trap"

    class Evil:
        def __reduce__(self):
            return trap.touch, ()

    letter = replace(
        bench.letter(1), body=pickle.dumps(Evil()), content_type="application/x-python-serialize"
    )
    with pytest.raises(Unreadable, match="does not accept"):
        call_of(letter, ACCEPT)
    edit(letter, Change(args=[1]), bench.app)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"task": "t", "id": "i"}, b"[1, 2]"),
        ({"task": "t", "id": "i"}, b"[{}, [], {}]"),
        ({"task": "t", "id": 7}, b"[[], {}, {}]"),
        ({"task": "t", "id": "i", "timelimit": 3}, b"[[], {}, {}]"),
        ({"task": "t", "id": "i", "group": {}}, b"[[], {}, {}]"),
        ({}, b"[[], {}, {}]"),
        ({}, b'{"task": "t"}'),
        ({"task": "t", "id": "i"}, b"[" * 100_000),
    ],
)
def test_what_a_worker_could_not_run_is_unreadable(bench, headers, body):
    with pytest.raises(Unreadable):
        call_of(replace(bench.letter(1), headers=headers, body=body), ACCEPT)


def test_a_message_of_the_first_protocol_is_mended_in_its_body(bench):
    old = b'{"task": "shop.add", "id": "i", "args": [1], "kwargs": {}, "taskset": "g"}'
    letter = replace(bench.letter(1), headers={}, body=old)
    mended = edit(letter, Change(args=[2]), bench.app)
    assert body_of(mended) == {"task": "shop.add", "id": "i", "args": [2], "kwargs": {}, "taskset": "g"}
