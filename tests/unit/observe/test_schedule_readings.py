"""What a scrape says of schedules: how late the last fire was, and how long one is overdue."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from celeriac.observe.metrics import names
from celeriac.observe.metrics.readings import Sources
from celeriac.observe.metrics.sources import BrokerReading, ScheduleReading
from celeriac.plan import Plan


def read(folder: Path, **schedules: ScheduleReading) -> dict[str, dict[str, float]]:
    """Give metric -> schedule -> value."""
    sources = Sources(
        Plan(folder=folder),
        broker=lambda: BrokerReading(queues=()),
        letters=dict,
        schedules=lambda: schedules,
    )
    found = sources.read()
    return {
        family.name: {labels[0]: values[0] for labels, values in found[family].items()}
        for family in (names.SCHEDULE_LAG, names.SCHEDULE_SENT, names.SCHEDULE_OVERDUE)
    }


def test_the_lag_is_how_far_the_last_fire_was_behind_its_slot(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        late=ScheduleReading(slot=1000.0, sent_at=1007.5, due_at=None),
        # The clock of the host that sent it was behind.
        early=ScheduleReading(slot=1000.0, sent_at=999.9, due_at=None),
        never=ScheduleReading(slot=None, sent_at=None, due_at=None),
    )
    assert found["celeriac_schedule_lag_seconds"] == {"late": 7.5, "early": 0.0}
    assert found["celeriac_schedule_last_sent_timestamp_seconds"] == {"late": 1007.5, "early": 999.9}
    assert found["celeriac_schedule_overdue_seconds"] == {"late": 0.0, "early": 0.0, "never": 0.0}


def test_a_slot_that_is_due_and_not_sent_is_overdue_for_as_long(tmp_path: Path) -> None:
    due = ScheduleReading(slot=None, sent_at=None, due_at=time.time() - 30)
    assert read(tmp_path, daily=due)["celeriac_schedule_overdue_seconds"]["daily"] == pytest.approx(30, abs=5)
