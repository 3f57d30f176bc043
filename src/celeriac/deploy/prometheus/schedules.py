"""Schedules: slots that nobody sends, which is how a missing beat is seen, and slots sent late."""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.deploy.prometheus.rules import MINUTE, Alert, Group, Proof, Recording, series
from celeriac.deploy.prometheus.selecting import Selector
from celeriac.observe.metrics import names
from celeriac.plan import Plan
from celeriac.units import say_duration

OVERDUE = "celeriac:schedule_overdue_seconds:max"
LAG = "celeriac:schedule_lag_seconds:max"


def group(plan: Plan) -> Group:
    """Give the rules of the schedules."""
    of = Selector(f'="{plan.name}"')
    every = "by (job, schedule)"
    return Group(
        name="schedules",
        recordings=(
            Recording(OVERDUE, f"max {every} ({of(names.SCHEDULE_OVERDUE)})"),
            Recording(LAG, f"max {every} ({of(names.SCHEDULE_LAG)})"),
        ),
        alerts=tuple(_alerts(plan, of)),
    )


def _alerts(plan: Plan, of: Selector) -> Iterator[Alert]:
    deadline = plan.beat.deadline
    bound = f"{deadline.total_seconds():g}"
    over = f"{deadline.total_seconds() + 1:g}"
    why = f"[beat].deadline {say_duration(deadline)}"
    overdue = series(plan, names.SCHEDULE_OVERDUE.name, schedule="s")
    yield Alert(
        name="ScheduleOverdue",
        expr=f"{of.recorded(OVERDUE)} > {bound}",
        why=why,
        wait=MINUTE,
        severity="critical",
        summary="The schedule {{ $labels.schedule }} is not sent",
        description="Its slot has been due for {{ $value | humanizeDuration }}: no beat of "
        + plan.name
        + " leads, or it cannot send.",
        proofs=(
            Proof(fires={overdue: f"{over}x40"}, quiet={overdue: f"{bound}x40"}, labels={"schedule": "s"}),
        ),
    )
    lag = series(plan, names.SCHEDULE_LAG.name, schedule="s")
    sent = series(plan, names.SCHEDULE_SENT.name, schedule="s")
    yield Alert(
        name="ScheduleLate",
        # The lag of a daily schedule stands there for a day; it is news for an hour.
        expr=f"{of.recorded(LAG)} > {bound}\nand on (job, schedule) "
        f"time() - max by (job, schedule) ({of(names.SCHEDULE_SENT)}) < 3600",
        why=why,
        wait=MINUTE,
        severity="warning",
        summary="The schedule {{ $labels.schedule }} was sent late",
        description="It was sent {{ $value | humanizeDuration }} after its slot.",
        proofs=(
            Proof(
                fires={lag: f"{over}x40", sent: "600x40"},
                quiet={lag: f"{bound}x40", sent: "600x40"},
                labels={"schedule": "s"},
            ),
            Proof(
                fires={lag: f"{over}x130", sent: "7000x130"},
                quiet={lag: f"{over}x130", sent: "600x130"},
                minutes=120,
                labels={"schedule": "s"},
            ),
        ),
    )
