"""What a schedule of the plan must keep: one clock, a known zone, a real moment, a place for the sun."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from celeriac.plan import Plan, Pool, Queue, Schedule, check
from celeriac.plan.moments import is_zone, moment_of, place_of

HOUR = timedelta(hours=1)


def codes(**declared: Any) -> list[str]:
    plan = Plan(
        queues={"default": Queue()},
        pools={"web": Pool(queues=("default",))},
        schedules={"s": Schedule(task="t", **declared)},
    )
    return [problem.code for problem in check(plan)]


@pytest.mark.parametrize(
    "declared",
    [
        {"cron": "0 9 * * *", "timezone": "Europe/Berlin", "catch_up": "all", "overlap": "queue"},
        {"every": HOUR, "overlap": "skip", "catch_up": "none"},
        {"at": "2026-12-24T18:00", "timezone": "America/New_York"},
        {"at": "2026-12-24 18:00:30"},
        {"sun": "sunset", "place": "52.52, 13.40"},
        {"sun": "dawn_civil", "place": "-33.9,-151"},
    ],
)
def test_a_schedule_of_each_kind_holds(declared: dict[str, Any]) -> None:
    assert codes(**declared) == []


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ({}, "PLAN-050"),
        ({"cron": "0 9 * * *", "every": HOUR}, "PLAN-050"),
        ({"at": "2026-12-24T18:00", "sun": "sunset", "place": "1, 1"}, "PLAN-050"),
        ({"at": "tomorrow"}, "PLAN-054"),
        ({"at": "2026-02-30T18:00"}, "PLAN-054"),
        ({"at": "2026-12-24T18:00+01:00"}, "PLAN-054"),
        ({"at": "2026-12-24T18:00", "overlap": "skip"}, "PLAN-055"),
        ({"cron": "0 9 * * *", "timezone": "Europe/Atlantis"}, "PLAN-056"),
        ({"cron": "0 9 * * *", "timezone": "../../etc/passwd"}, "PLAN-056"),
        ({"cron": "0 9 * * *", "timezone": ""}, "PLAN-056"),
        ({"every": HOUR, "timezone": "Europe/Berlin"}, "PLAN-057"),
        ({"sun": "sunset"}, "PLAN-058"),
        ({"sun": "sunset", "place": "91, 0"}, "PLAN-058"),
        ({"sun": "sunset", "place": "Berlin"}, "PLAN-058"),
        ({"every": HOUR, "place": "52.52, 13.40"}, "PLAN-059"),
    ],
)
def test_what_could_not_be_kept_is_an_error(declared: dict[str, Any], code: str) -> None:
    assert codes(**declared) == [code]


def test_processes_agree_by_what_the_plan_says_or_by_its_state() -> None:
    assert Plan(state="postgresql://db/shop").coordination == "postgresql://db/shop"
    assert Plan(coordination="redis://localhost/1").coordination == "redis://localhost/1"
    assert [problem.code for problem in check(Plan(coordination="mysql://localhost/1"))] == ["PLAN-047"]


def test_moments_zones_and_places_are_read() -> None:
    assert moment_of("2026-12-24T18:00") == datetime(2026, 12, 24, 18, 0)
    assert moment_of("2026-12-24") is None
    assert is_zone("America/Argentina/Buenos_Aires")
    assert not is_zone("posixrules/../UTC")
    assert place_of(" 52.52 ,-13.4") == (52.52, -13.4)
    assert place_of("nan, 1") is None
