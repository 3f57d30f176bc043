"""The scheduler class as Celery's beat uses it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab

import celeriac
from celeriac.plan import Beat, Plan, Schedule
from celeriac.schedule.reading import Reader
from celeriac.schedule.scheduler import OURS, Scheduler, scheduler_class


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Celery]]:
    made: list[Celery] = []

    def app(schedules: dict[str, Schedule] | None = None, **conf: Any) -> Celery:
        plan = Plan(
            name="shop",
            broker=f"sqlite:///{tmp_path / 'broker.db'}",
            folder=tmp_path,
            schedules=schedules or {},
            beat=Beat(lease=timedelta(seconds=2)),
        )
        made.append(celeriac.create_app(plan, **conf))
        return made[-1]

    yield app
    for each in made:
        each.close()


def quick(**others: Any) -> dict[str, Schedule]:
    return {"quick": Schedule(task="shop.note", every=timedelta(milliseconds=50), **others)}


def waiting(app: Celery) -> list[Any]:
    with app.connection() as connection:
        queue = connection.SimpleQueue(app.conf.task_default_queue)
        found = []
        while True:
            try:
                found.append(queue.get(block=False))
            except queue.Empty:
                return found
            found[-1].ack()


def tick_until(scheduler: Scheduler, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(min(scheduler.tick(), 0.05))


def test_it_sends_and_ends_its_term_when_it_is_closed(make: Callable[..., Celery]) -> None:
    app = make(quick())
    scheduler = Scheduler(app)
    found: list[Any] = []
    tick_until(scheduler, lambda: found.extend(waiting(app)) or len(found) >= 3)
    assert {message.headers["task"] for message in found} == {"shop.note"}
    assert len({message.headers["id"] for message in found}) == len(found)
    scheduler.close()
    scheduler.close()
    other = Scheduler(app)
    other.tick()
    assert other._leadership.trusted() is not None, "nothing to wait for"
    other.close()


def test_closed_in_the_middle_of_a_tick_it_waits_for_the_end(
    make: Callable[..., Celery], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Celery's own signal handler does: it closes the scheduler, wherever it is, and raises SystemExit."""
    app = make(quick())
    scheduler = Scheduler(app)
    scheduler.tick()
    send = scheduler._sender.send

    def interrupted(*args: Any) -> None:
        send(*args)
        scheduler.close()
        assert scheduler._leadership.trusted() is not None
        raise SystemExit

    waiting(app)  # on a slow machine the first tick has sent some already
    monkeypatch.setattr(scheduler._sender, "send", interrupted)
    with pytest.raises(SystemExit):
        tick_until(scheduler, lambda: False)
    assert len(waiting(app)) == 1
    scheduler.close()
    assert scheduler._leadership.trusted() is None


def test_for_the_banner_nothing_is_opened(make: Callable[..., Celery], tmp_path: Path) -> None:
    scheduler = Scheduler(make(quick()), lazy=True)
    assert "shop/beat, 2s" in scheduler.info
    assert list(tmp_path.iterdir()) == []


def test_a_schedule_that_cannot_be_led_is_said_once_and_the_others_go_on(
    make: Callable[..., Celery], caplog: pytest.LogCaptureFixture
) -> None:
    guarded = Schedule(task="shop.note", every=timedelta(milliseconds=50), overlap="skip")
    app = make({"guarded": guarded, **quick()}, result_backend="disabled://")
    scheduler = Scheduler(app)
    found: list[Any] = []
    with caplog.at_level(logging.ERROR):
        tick_until(scheduler, lambda: found.extend(waiting(app)) or len(found) >= 3)
    scheduler.close()
    assert {message.headers["celeriac-schedule"] for message in found} == {"quick"}
    said = [record.message for record in caplog.records if "guarded" in record.message]
    assert said == [
        'schedule guarded is not sent: overlap = "skip" is told by results, and the app keeps none'
    ]


def test_schedules_of_plan_and_code_are_read_together(make: Callable[..., Celery]) -> None:
    app = make(
        quick(catch_up="none"), beat_schedule={"nightly": {"task": "t", "schedule": crontab(hour="3")}}
    )
    app.add_periodic_task(30.0, app.signature("u", args=(1,)), name="often", expires=10)
    found = {each.name: each for each in Reader(app).read() if not each.name.startswith("celery.")}
    assert {name: (each.source, each.task) for name, each in found.items()} == {
        "quick": ("plan", "shop.note"),
        "nightly": ("code", "t"),
        "often": ("code", "u"),
    }
    assert found["quick"].catch_up == "none"
    assert found["often"].slots is not None
    assert found["often"].slots.text == "every 30s"
    assert found["often"].options["expires"] == 10


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, OURS),
        ("celery.beat.PersistentScheduler", OURS),
        ("django_celery_beat.schedulers.DatabaseScheduler", OURS),
        ("shop.beat:Mine", "shop.beat:Mine"),
    ],
)
def test_a_scheduler_of_the_teams_own_stays(
    make: Callable[..., Celery], chosen: str | None, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make({}, **({"beat_scheduler": chosen} if chosen else {}))
    with caplog.at_level(logging.WARNING):
        assert scheduler_class(app) == expected
    assert bool(caplog.records) == (expected != OURS)
