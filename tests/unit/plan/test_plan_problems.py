"""What is said of a plan whose values do not have the shape they should."""

from __future__ import annotations

from datetime import timedelta

import pytest

from celeriac.errors import PlanError
from celeriac.plan import Autoscale, Letters, Plan, Policy, Pool, Queue, Retry, check, read_plan, verify

ALL_AT_ONCE = """\
[celeriac]
nme = "shop"
imports = "shop.tasks"

[queues.high]
max_wait = "2 s"
[queues.low]
when_full = "rejct"
max_length = 0

[pools.web]
queues = [
  "high",
  "lo",
]
profil = "io"
concurrency = 2.5
[pools.batch]
replicas = true

[tasks."shop.*"]
retry.backof = "1s"

[leters]
after = 3
"""


@pytest.fixture
def problems(tmp_path):
    (tmp_path / "celeriac.toml").write_text(ALL_AT_ONCE)
    with pytest.raises(PlanError) as raised:
        read_plan(tmp_path, environ={})
    return raised.value.problems


def test_all_problems_of_a_file_are_raised_at_once_in_its_order(problems):
    places = [problem.at.rpartition("celeriac.toml:")[2] for problem in problems]
    assert list(zip([problem.code for problem in problems], places, strict=True)) == [
        ("PLAN-010", "2, [celeriac].nme"),
        ("PLAN-011", "3, [celeriac].imports"),
        ("PLAN-011", "6, [queues.high].max_wait"),
        ("PLAN-014", "8, [queues.low].when_full"),
        ("PLAN-015", "9, [queues.low].max_length"),
        ("PLAN-012", "14, [pools.web].queues"),
        ("PLAN-010", "16, [pools.web].profil"),
        ("PLAN-011", "17, [pools.web].concurrency"),
        ("PLAN-013", "18, [pools.batch].queues"),
        ("PLAN-011", "19, [pools.batch].replicas"),
        ("PLAN-010", '22, [tasks."shop.*"].retry.backof'),
        ("PLAN-010", "24, leters"),
    ]


def test_a_fix_gives_the_nearest_known_name(problems):
    fixes = {problem.at.rpartition(".")[2]: problem.fix for problem in problems}
    assert fixes["nme"] == 'write "name", or remove it'
    assert fixes["profil"] == 'write "profile", or remove it'
    assert fixes["backof"] == 'write "backoff", or remove it'
    assert fixes["when_full"] == 'write "reject", or write one of the known values'


def test_an_undeclared_queue_is_said_as_the_style_guide_writes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "celeriac.toml").write_text(
        '[queues.default]\n[queues.thumbnails]\n[pools.images]\nqueues = ["default", "thumbnails", "thumbs"]\n'
    )
    with pytest.raises(PlanError) as raised:
        read_plan(environ={})
    assert str(raised.value) == (
        'PLAN-012 pool "images" reads queue "thumbs", which is not declared.\n'
        "  at: celeriac.toml:4, [pools.images].queues\n"
        "  known: default, thumbnails\n"
        '  fix: write "thumbnails", or add [queues.thumbs]'
    )


def test_a_part_in_error_is_not_blamed_again_for_what_follows_from_it(tmp_path):
    (tmp_path / "celeriac.toml").write_text(
        '[queues]\na = 5\n[pools.web]\nqueues = ["a"]\nexecutor = "thread"\nsoft_time_limit = "5s"\n[pools.cpu]\n'
    )
    with pytest.raises(PlanError) as raised:
        read_plan(tmp_path, environ={})
    assert [problem.code for problem in raised.value.problems] == ["PLAN-011", "PLAN-014", "PLAN-013"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('concurrency = "4"', 'concurrency is "4", where a whole number from 1 to 10000 is expected.'),
        ("concurrency = true", "concurrency is true, where a whole number from 1 to 10000 is expected."),
        ("concurrency = 0", "concurrency is 0, less than 1."),
        ("concurrency = 10001", "concurrency is 10001, more than 10000."),
        (f"concurrency = 0x{'f' * 900}", "concurrency is a number too big, more than 10000."),
        ("grace = 60", 'grace is 60, where a duration like "30s" is expected.'),
        ('grace = "1 minute"', 'grace is "1 minute", where a duration like "30s" is expected.'),
        ('grace = "0s"', 'grace is "0s", less than "1ms".'),
        ('max_memory_per_child = "1B"', 'max_memory_per_child is "1B", less than "1KiB".'),
        (
            "max_memory_per_child = 1024",
            'max_memory_per_child is 1024, where a size like "512MiB" is expected.',
        ),
        ("queues = [1]", "queues is 1, where text in quotes is expected."),
        ('queues = "high"', 'queues is "high", where a list of texts in quotes is expected.'),
        ("autoscale = 3", "autoscale is 3, where a table is expected."),
        ("executor = 1979-05-27", "executor is a date, which is not one of its values."),
        ('executor = "a\\u0000"', "executor is 'a\\x00', which is not one of its values."),
    ],
)
def test_a_wrong_value_is_said_with_what_is_expected(tmp_path, line, message):
    queues = "" if line.startswith("queues") else 'queues = ["a"]\n'
    (tmp_path / "celeriac.toml").write_text(f"[queues.a]\n[pools.p]\n{queues}{line}\n")
    with pytest.raises(PlanError) as raised:
        read_plan(tmp_path, environ={})
    assert [problem.message for problem in raised.value.problems] == [message]


def test_known_keys_of_later_are_not_accepted_today(tmp_path):
    """An option that does nothing is worse than none."""
    (tmp_path / "celeriac.toml").write_text(
        '[queues.a]\n[pools.p]\nqueues = ["a"]\n[tasks.t]\nconcurrent = 1\nunique = {}\n'
        '[schedules.s]\ntask = "t"\nevery = "1s"\n[console]\n'
    )
    with pytest.raises(PlanError) as raised:
        read_plan(tmp_path, environ={})
    assert {problem.code for problem in raised.value.problems} == {"PLAN-010"}
    assert len(raised.value.problems) == 3


def test_only_the_first_hundred_problems_are_said(tmp_path):
    (tmp_path / "celeriac.toml").write_text("[celeriac]\n" + "".join(f"key{at} = 1\n" for at in range(250)))
    with pytest.raises(PlanError) as raised:
        read_plan(tmp_path, environ={})
    assert len(raised.value.problems) == 101
    assert raised.value.problems[-1].message == "there are 150 more problems."


def test_a_flood_of_warnings_stops_nothing_and_hides_no_error(tmp_path):
    pools = "".join(f'[pools.p{at}]\nqueues = ["a"]\ntime_limit = "1h"\n' for at in range(150))
    (tmp_path / "celeriac.toml").write_text("[queues.a]\n" + pools)
    warnings = check(read_plan(tmp_path, environ={}))
    assert warnings[-1].message == "there are 50 more warnings."
    assert {warning.severity for warning in warnings} == {"warning"}
    (tmp_path / "celeriac.toml").write_text("[queues.a]\n" + pools + "autoscale = { min = 2, max = 1 }\n")
    with pytest.raises(PlanError) as raised:
        read_plan(tmp_path, environ={})
    assert [problem.code for problem in raised.value.problems] == ["PLAN-034"]


def test_a_key_of_the_head_that_stands_outside_is_sent_home(tmp_path):
    (tmp_path / "celeriac.toml").write_text('broker = "sqlite:///b.db"\n[celeriac.queues.a]\n')
    with pytest.raises(PlanError) as raised:
        read_plan(tmp_path, environ={})
    assert [problem.fix for problem in raised.value.problems] == [
        "move it into [celeriac]",
        "move it out of [celeriac], to [queues]",
    ]


@pytest.mark.parametrize(
    ("plan", "at"),
    [
        (Plan(pools={"web": Pool(queues=("a",))}), 'Plan.pools["web"].queues[0]'),
        (Plan(queues={"a": Queue(max_wait=5)}), 'Plan.queues["a"].max_wait'),
        (Plan(queues={"a": {}}), 'Plan.queues["a"]'),
        (Plan(queues=None), "Plan.queues"),
        (Plan(queues={5: Queue()}), "Plan.queues"),
        (Plan(broker=5), "Plan.broker"),
        (Plan(letters=Letters(after=0)), "Plan.letters.after"),
        (Plan(letters=Letters(keep="forever")), "Plan.letters.keep"),
        (
            Plan(queues={"a": Queue()}, pools={"p": Pool(queues=("a",), autoscale=Autoscale(min=3, max=2))}),
            'Plan.pools["p"].autoscale',
        ),
    ],
)
def test_a_plan_built_in_python_is_told_where_in_python(plan, at):
    assert [problem.at for problem in check(plan)] == [at]
    with pytest.raises(PlanError):
        verify(plan)


def test_types_and_rules_are_told_together_in_python_too():
    plan = Plan(queues={"a": Queue(max_wait=5)}, pools={"web": Pool(queues=("b",)), "two": 2})
    assert [(problem.code, problem.at) for problem in check(plan)] == [
        ("PLAN-011", 'Plan.queues["a"].max_wait'),
        ("PLAN-011", 'Plan.pools["two"]'),
        ("PLAN-012", 'Plan.pools["web"].queues[0]'),
    ]


def test_a_good_plan_built_in_python_is_given_back():
    plan = Plan(queues={"a": Queue(max_wait=timedelta(seconds=1))}, pools={"p": Pool(queues=["a"])})
    assert verify(plan) is plan


def test_none_may_be_said_in_python_where_a_file_has_a_word():
    assert check(Plan(tasks={"t": Policy(retry=Retry(limit=None))})) == []
