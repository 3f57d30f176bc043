"""Autoscale: how many slots a worker, and how many workers a pool should have, by what waits and how long it may.

In: figures of the queues, of what runs, and of time. Out: a number of units within the plan's bounds. `decision` is
pure and shared by Celery's autoscaler (slots) and `celeriac up` (workers); without an answer of the broker nothing is
decided, and everything stays as it is. Design and measurements: docs/design/0006-autoscale.md
"""

from __future__ import annotations

from celeriac.pools.autoscale.decision import Bounds, Decision, Memory, Pace, decide
from celeriac.pools.autoscale.demand import Demand, Line, Rates
from celeriac.pools.autoscale.meter import Meter
from celeriac.pools.autoscale.watch import QueueSight, Watch

__all__ = [
    "Bounds",
    "Decision",
    "Demand",
    "Line",
    "Memory",
    "Meter",
    "Pace",
    "QueueSight",
    "Rates",
    "Watch",
    "decide",
]
