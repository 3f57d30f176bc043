"""When schedules fire: exactly, in both daylight-saving nights, the same from wherever one asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import BaseSchedule, crontab, schedule, solar
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.plan import Schedule
from celeriac.schedule.kinds import ForeignSlots, slots_of_celery, slots_of_plan
from celeriac.schedule.planned import PlannedSchedule
from celeriac.schedule.slots import Slots

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def slots(**declared: Any) -> Slots:
    return slots_of_plan(Schedule(task="t", **declared))


def between(found: Slots, begin: str, end: str) -> list[str]:
    """The slots after `begin` and until `end`, all in UTC."""
    moment, last = utc(begin), utc(end)
    listed = []
    while (following := found.next_after(moment)) is not None and following <= last:
        listed.append(f"{datetime.fromtimestamp(following, UTC):%d %H:%M}")
        moment = following
    return listed


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "cron", "night", "expected"),
    [
        # Berlin, 2026-03-29: 02:00 CET becomes 03:00 CEST, at 01:00 UTC.
        (BERLIN, "30 2 * * *", "2026-03-29", ["29 01:00"]),
        (BERLIN, "0,30 2 * * *", "2026-03-29", ["29 01:00"]),
        (BERLIN, "30 1 * * *", "2026-03-29", ["29 00:30"]),
        (BERLIN, "0 3 * * *", "2026-03-29", ["29 01:00"]),
        (BERLIN, "30 2,3 * * *", "2026-03-29", ["29 01:00", "29 01:30"]),
        # Berlin, 2026-10-25: 03:00 CEST becomes 02:00 CET, at 01:00 UTC.
        (BERLIN, "30 2 * * *", "2026-10-25", ["25 00:30"]),
        (BERLIN, "0 2,3 * * *", "2026-10-25", ["25 00:00", "25 02:00"]),
        # New York, 2026-03-08: 02:00 EST becomes 03:00 EDT, at 07:00 UTC.
        (NEW_YORK, "30 2 * * *", "2026-03-08", ["08 07:00"]),
        (NEW_YORK, "59 1 * * *", "2026-03-08", ["08 06:59"]),
        # New York, 2026-11-01: 02:00 EDT becomes 01:00 EST, at 06:00 UTC.
        (NEW_YORK, "30 1 * * *", "2026-11-01", ["01 05:30"]),
        (NEW_YORK, "30 1,2 * * *", "2026-11-01", ["01 05:30", "01 07:30"]),
    ],
)
def test_a_slot_of_a_daylight_saving_night_comes_once(
    zone: str, cron: str, night: str, expected: list[str]
) -> None:
    start = datetime.fromisoformat(night).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    begin = f"{start - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
    end = f"{start + timedelta(hours=12):%Y-%m-%dT%H:%M:%S}"
    assert between(slots(cron=cron, timezone=zone), begin, end) == expected


def test_a_cron_of_every_hour_follows_elapsed_time_through_both_nights() -> None:
    found = slots(cron="*/30 * * * *", timezone=BERLIN)
    spring = between(found, "2026-03-28T23:59", "2026-03-29T03:00")
    assert spring == ["29 00:00", "29 00:30", "29 01:00", "29 01:30", "29 02:00", "29 02:30", "29 03:00"]
    autumn = between(found, "2026-10-24T23:59", "2026-10-25T02:00")
    assert autumn == ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]


def test_a_skipped_slot_is_also_found_looking_back() -> None:
    found = slots(cron="30 2 * * *", timezone=BERLIN)
    assert found.last_until(utc("2026-03-29T12:00"), after=utc("2026-03-28T12:00")) == utc("2026-03-29T01:00")
    assert found.last_until(utc("2026-10-25T01:45"), after=utc("2026-10-25T00:30")) is None


@settings(max_examples=60, deadline=None)
@given(
    cron=st.sampled_from(
        [
            "*/7 * * * *",
            "30 2 * * *",
            "15 1-3 * * *",
            "0 0 1 * *",
            "0 3 29 2 *",
            "5 4 * * sun",
            "0 12 13 * fri",
        ]
    ),
    zone=st.sampled_from(
        [BERLIN, NEW_YORK, "UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo"]
    ),
    moment=st.integers(1_500_000_000, 1_900_000_000),
)
def test_looking_forward_and_back_name_the_same_slots(cron: str, zone: str, moment: int) -> None:
    found = slots(cron=cron, timezone=zone)
    following = found.next_after(moment)
    assert following is not None
    assert following > moment
    assert found.last_until(following, after=moment) == following
    assert found.last_until(following - 1, after=moment) is None
    assert found.next_after(following - 0.5) == following


@settings(max_examples=60, deadline=None)
@given(every_ms=st.integers(1, 10**10), moment=st.floats(1.5e9, 2.5e9))
def test_slots_of_a_span_are_strictly_later_and_lie_a_span_apart(every_ms: int, moment: float) -> None:
    found = slots(every=timedelta(milliseconds=every_ms))
    first = found.next_after(moment)
    assert first is not None
    second = found.next_after(first)
    assert second is not None
    assert first > moment - 1e-3
    assert round((second - first) * 1000) == every_ms
    assert found.last_until(second, after=first) == second


def test_a_span_counts_from_1970_so_that_every_beat_agrees() -> None:
    assert slots(every=timedelta(minutes=5)).next_after(utc("2026-01-01T10:03")) == utc("2026-01-01T10:05")


def test_a_single_slot_comes_once_in_its_own_time_zone() -> None:
    found = slots(at="2026-12-24T18:00", timezone=BERLIN)
    assert found.next_after(0) == utc("2026-12-24T17:00")
    assert found.next_after(utc("2026-12-24T17:00")) is None
    assert found.last_until(utc("2027-01-01T00:00"), after=0) == utc("2026-12-24T17:00")
    assert found.last_until(utc("2026-12-24T16:59"), after=0) is None


def test_a_single_slot_in_the_skipped_hour_is_the_first_moment_after_it() -> None:
    assert slots(at="2026-03-29T02:15", timezone=BERLIN).next_after(0) == utc("2026-03-29T01:00")


def test_the_sun_sets_once_a_day_whenever_one_asks() -> None:
    found = slots(sun="sunset", place="52.52, 13.40")
    week = [
        datetime.fromtimestamp(each, UTC) for each in islice(_following(found, utc("2026-06-20T00:00")), 7)
    ]
    assert [each.day for each in week] == list(range(20, 27))
    assert all(19 <= each.hour <= 20 for each in week), "sunset in Berlin in June, in UTC"
    for moment in range(0, 86_400, 3600):
        assert found.next_after(utc("2026-06-20T21:00") + moment % 80_000) in {
            each.timestamp() for each in week
        }


def test_a_sun_that_does_not_set_is_waited_for() -> None:
    found = slots(sun="sunset", place="78.22, 15.65")
    following = found.next_after(utc("2026-06-01T00:00"))
    assert following is not None
    assert datetime.fromtimestamp(following, UTC).month == 8


def _following(found: Slots, moment: float) -> Any:
    while (slot := found.next_after(moment)) is not None:
        yield slot
        moment = slot


@pytest.fixture
def app() -> Any:
    made = Celery("slots", set_as_current=False)
    made.conf.timezone = BERLIN
    yield made
    made.close()


def test_schedules_of_celery_have_the_same_slots(app: Celery) -> None:
    of_cron = slots_of_celery(crontab("30", "2", app=app))
    assert of_cron.text == slots(cron="30 2 * * *", timezone=BERLIN).text
    assert slots_of_celery(schedule(timedelta(seconds=90), app=app)).text == "every 90s"
    assert slots_of_celery(solar("sunset", 52.52, 13.4, app=app)).text == "sunset at 52.52, 13.4"


def test_a_schedule_of_an_unknown_kind_is_asked(app: Celery) -> None:
    class Odd(BaseSchedule):
        """Due at the next full minute with an odd number."""

        def remaining_estimate(self, last_run_at: datetime) -> timedelta:
            following = last_run_at.replace(second=0, microsecond=0) + timedelta(minutes=1)
            if following.minute % 2 == 0:
                following += timedelta(minutes=1)
            return following - self.now()

    found = slots_of_celery(Odd(app=app))
    assert isinstance(found, ForeignSlots)
    assert between(found, "2026-01-01T10:02", "2026-01-01T10:06") == ["01 10:03", "01 10:05"]
    assert found.last_until(utc("2026-01-01T10:06"), after=utc("2026-01-01T10:00")) == utc("2026-01-01T10:05")


def test_a_crontab_that_changes_the_answer_is_asked_too(app: Celery) -> None:
    class Later(crontab):
        def remaining_estimate(self, last_run_at: datetime) -> timedelta:
            return super().remaining_estimate(last_run_at) + timedelta(seconds=5)

    assert isinstance(slots_of_celery(Later("0", "9", app=app)), ForeignSlots)


def test_celerys_own_beat_can_read_a_schedule_of_the_plan(app: Celery) -> None:
    planned = PlannedSchedule(Schedule(task="t", cron="0 9 * * *", timezone=BERLIN), app=app)
    planned.nowfun = lambda: datetime(2026, 1, 1, 8, 30, tzinfo=UTC)
    due, wait_s = planned.is_due(datetime(2026, 1, 1, 7, 30, tzinfo=UTC))
    assert (due, wait_s) == (True, 23.5 * 3600)
    due, wait_s = planned.is_due(datetime(2026, 1, 1, 8, 1, tzinfo=UTC))
    assert (due, wait_s) == (False, 23.5 * 3600)
    assert planned.remaining_estimate(datetime(2026, 1, 1, 8, 1, tzinfo=UTC)) == timedelta(hours=23.5)


def test_an_equal_schedule_of_the_plan_is_equal_after_pickling() -> None:
    import pickle

    planned = PlannedSchedule(Schedule(task="t", every=timedelta(seconds=3)))
    assert pickle.loads(pickle.dumps(planned)) == planned
