"""A schedule as a beat works on it, wherever it was declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from celeriac.plan.tables.schedules import CatchUp, Overlap
from celeriac.schedule.slots import Slots

Source = Literal["plan", "code", "django"]


@dataclass(frozen=True)
class Declared:
    """One schedule: when, what, and what becomes of late and overlapping slots.

    task: the full name of the task; options: as for `apply_async`.
    source: who declared it, and can change it.
    slots: None where `fault` says why there are none.
    since: epoch seconds; slots up to then are not its own (it was off, or another one).
    """

    name: str
    task: str
    slots: Slots | None
    source: Source = "code"
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    catch_up: CatchUp = "last"
    overlap: Overlap = "allow"
    since: float | None = None
    fault: str | None = None
