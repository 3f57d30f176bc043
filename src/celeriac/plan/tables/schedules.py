"""Schedules, with the lease of whoever sends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec

from celeriac.plan.marks import Duration, Range

CatchUp = Literal["none", "last", "all"]
Overlap = Literal["skip", "queue", "allow"]
SunEvent = Literal[
    "dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon",
    "sunset", "dusk_civil", "dusk_nautical", "dusk_astronomical",
]  # fmt: skip


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task sent by the clock: exactly one of `cron`, `every`, `at` and `sun`. Each of its times is a slot, sent once.

    task: the full name of the task.
    cron: minute, hour, day of month, month, day of week in `timezone`, like "0 9 * * mon-fri".
    every: the time from one slot to the next, counted from 1970-01-01 UTC: "5m" is at :00, :05, :10.
    at: one slot, in `timezone`, like "2026-12-24T18:00".
    sun: an event of the sun at `place`, like "sunset"; needs the extra `sun`.
    place: where `sun` is watched: latitude and longitude in degrees, like "52.52, 13.40".
    timezone: of `cron` and `at`, like "Europe/Berlin".
    catch_up: what is sent of the slots missed while nothing ran: "none", the "last" of them, or "all".
    overlap: what happens to a slot while the last run has not ended: "skip" it, "queue" it, or "allow" both.
    args: positional arguments of the task.
    kwargs: keyword arguments of the task.
    queue: a declared queue; None: where the task's policy says.
    """

    task: str
    cron: str | None = None
    every: Duration | None = None
    at: str | None = None
    sun: SunEvent | None = None
    place: str | None = None
    timezone: str = "UTC"
    catch_up: CatchUp = "last"
    overlap: Overlap = "allow"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    queue: str | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the schedules are led, however many beats run.

    lease: how long a leader that is silent is waited for; then another takes over.
    deadline: how late a slot is still sent as if in time; later it was missed, and `catch_up` says what becomes of it.
    replicas: beats that `celeriac up` runs; None: one if the plan has schedules. With those of the code alone, write 1.
    """

    lease: Annotated[timedelta, Range(1, 3600)] = timedelta(seconds=10)
    deadline: Annotated[timedelta, Range(1, 31 * 86_400)] = timedelta(seconds=60)
    replicas: Annotated[int, Range(0, 100)] | None = None
