"""What can be seen of a running system: metrics, health, heartbeats, logs, traces.

In flow Celery's signals and Celeriac's events, in every process that sends or runs tasks. Out flow counts in
`.celeriac/metrics/`, heartbeat files in `.celeriac/workers/`, log records, spans; one process per host serves the first
two over HTTP. Nothing here can fail a task: what cannot be written is said once, and done without.
"""

from __future__ import annotations

from celeriac.observe.health import Health, WorkerHealth, health_of, workers_in
from celeriac.observe.install import observe

__all__ = ["Health", "WorkerHealth", "health_of", "observe", "workers_in"]
