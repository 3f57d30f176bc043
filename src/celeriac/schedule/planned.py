"""A schedule of the plan as Celery's own beat reads one, so that every scheduler class can run the plan."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from celery.schedules import BaseSchedule, schedstate

from celeriac.plan import Schedule
from celeriac.schedule.kinds import slots_of_plan
from celeriac.schedule.slots import Slots

#: how long a scheduler that asks may wait before it asks again, where no slot comes any more
_ASK_AGAIN_S = 3600.0


class PlannedSchedule(BaseSchedule):
    """The clock of one schedule of the plan.

    planned: the declaration, with what only our scheduler honours: `catch_up` and `overlap`.
    """

    def __init__(self, planned: Schedule, nowfun: Any = None, app: Any = None) -> None:
        super().__init__(nowfun=nowfun, app=app)
        self.planned = planned

    @cached_property
    def slots(self) -> Slots:
        return slots_of_plan(self.planned)

    def remaining_estimate(self, last_run_at: datetime) -> Any:
        now = self._now()
        slot = self.slots.next_after(self.maybe_make_aware(last_run_at).timestamp())
        return datetime.fromtimestamp(now + _ASK_AGAIN_S if slot is None else slot, UTC) - self.now()

    def is_due(self, last_run_at: datetime) -> Any:
        now = self._now()
        slot = self.slots.next_after(self.maybe_make_aware(last_run_at).timestamp())
        following = self.slots.next_after(now)
        wait_s = _ASK_AGAIN_S if following is None else following - now
        return schedstate(is_due=slot is not None and slot <= now, next=wait_s)

    def _now(self) -> float:
        return float(self.maybe_make_aware(self.now()).timestamp())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.planned,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlannedSchedule) and other.planned == self.planned

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<planned: {self.slots.text}>"
