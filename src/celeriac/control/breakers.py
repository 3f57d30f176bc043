"""How the circuit breakers stand, and closing one by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec

from celeriac.coordination import Coordination, open_coordination
from celeriac.flow import SharedBreaker
from celeriac.flow.standing import State
from celeriac.plan import Breaker, Plan


class BreakerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One breaker of the plan as it is now.

    failures: counted within its window since it last changed; of: so many open it.
    since: epoch seconds of its last change; None if nothing is known of it, which is closed.
    tasks: the globs of the plan whose tasks it guards.
    """

    name: str
    state: State
    failures: int
    of: int
    cool_down_s: float
    since: float | None
    tasks: tuple[str, ...]


def breakers(plan: Plan) -> list[BreakerReport]:
    """Give the breakers that the plan names, by name.

    Raises: CoordinationError if the store cannot be asked.
    """
    said = {policy.breaker.name: policy.breaker for policy in plan.tasks.values() if policy.breaker}
    with _store(plan) as store:
        return [_report(plan, SharedBreaker(said[name], store)) for name in sorted(said)]


def reset(plan: Plan, name: str) -> None:
    """Close the breaker of this name, also one that only code names; what waits runs when its time comes.

    Raises: CoordinationError if the store cannot be asked.
    """
    with _store(plan) as store:
        SharedBreaker(Breaker(name=name), store).reset()


def _report(plan: Plan, breaker: SharedBreaker) -> BreakerReport:
    settings, standing = breaker.settings, breaker.standing()
    return BreakerReport(
        name=settings.name,
        state=standing.state,
        failures=breaker.failures(standing),
        of=settings.failures,
        cool_down_s=settings.cool_down.total_seconds(),
        since=standing.since or None,
        tasks=tuple(
            glob
            for glob, policy in plan.tasks.items()
            if policy.breaker is not None and policy.breaker.name == settings.name
        ),
    )


@contextmanager
def _store(plan: Plan) -> Iterator[Coordination]:
    with closing(open_coordination(plan.coordination, plan.folder)) as store:
        yield store
