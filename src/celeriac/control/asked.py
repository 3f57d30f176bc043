"""What a broker tells that offers no view: its queues by passive declarations, its workers by remote control.

Where there is no remote control, the workers of this host are known by their heartbeat files.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from celeriac.app.reaching import hears_broadcasts, trouble_with
from celeriac.errors import BrokerError, redacted
from celeriac.observe.metrics.kombu_broker import KombuBroker
from celeriac.observe.metrics.sources import QueueReading
from celeriac.observe.places import pulses_folder
from celeriac.plan import Plan
from celeriac.transports.view import ConsumerState
from celeriac_probe import pulse

#: how long workers are given to answer; one that is busy with its own loop is not seen
_ANSWERS_WITHIN_S = 1.5


def ask_queues(plan: Plan, app: Celery) -> tuple[QueueReading, ...]:
    """Give the app's queues and its letters queue; None in a field is what this broker does not tell.

    Raises: BrokerError if it cannot be reached.
    """
    _reach(plan)
    return tuple(KombuBroker(app)().queues)


def ask_workers(plan: Plan, app: Celery) -> list[ConsumerState]:
    """Give the workers that answer, with what they read and run; of this host only, on a broker without broadcasts.

    The recorder is no worker, and does not answer.

    Raises: BrokerError if the broker cannot be reached.
    """
    _reach(plan)
    if not hears_broadcasts(app):
        return _workers_here(plan)
    inspect = app.control.inspect(timeout=_ANSWERS_WITHIN_S)
    reads: dict[str, Any] = inspect.active_queues() or {}
    if not reads:
        return []
    # As many answers as there are workers end the wait.
    inspect = app.control.inspect(timeout=_ANSWERS_WITHIN_S, limit=len(reads))
    stats: dict[str, Any] = inspect.stats() or {}
    runs: dict[str, Any] = inspect.active() or {}
    return [
        ConsumerState(
            id=name,
            name=name,
            host=name.partition("@")[2],
            pid=int(stats.get(name, {}).get("pid", 0)),
            queues=tuple(sorted(each["name"] for each in queues)),
            unacked=None,
            running=len(runs.get(name, ())),
        )
        for name, queues in sorted(reads.items())
    ]


def beating(plan: Plan) -> list[pulse.Pulse]:
    """Give the pulses of the workers that live on this host."""
    return [it for it in pulse.read_all(str(pulses_folder(plan))) if it.alive]


def _workers_here(plan: Plan) -> list[ConsumerState]:
    found = []
    for it in beating(plan):
        pool = plan.pools.get(it.name.partition("@")[0].rpartition("-")[0])
        found.append(
            ConsumerState(
                id=it.name,
                name=it.name,
                host=it.name.partition("@")[2],
                pid=it.pid,
                queues=tuple(sorted(pool.queues)) if pool is not None else (),
                unacked=None,
                running=it.busy,
            )
        )
    return found


def _reach(plan: Plan) -> None:
    trouble = trouble_with(plan.broker, plan.folder, options=plan.celery.get("broker_transport_options"))
    if trouble is not None:
        raise BrokerError(
            "BROKER-013",
            f"the broker cannot be reached: {trouble}",
            at=redacted(plan.broker),
            fix="start it, or name another: [celeriac].broker, CELERY_BROKER_URL",
        )
