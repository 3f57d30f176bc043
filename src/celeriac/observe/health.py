"""Health: whether the workers of this host live, read from their heartbeat files without asking the broker."""

from __future__ import annotations

from pathlib import Path

import msgspec

from celeriac_probe import pulse


class WorkerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One worker of this host.

    name: its node name, like "web-1@host".
    phase: "starting", "running", "connecting" or "stopping".
    slots, busy: tasks it can run at once, and runs now.
    beat_age_s: since its loop last turned.
    trouble: what is wrong with it, "" if nothing is.
    """

    name: str
    phase: str
    slots: int
    busy: int
    beat_age_s: float
    trouble: str

    @property
    def is_up(self) -> bool:
        """Whether it takes and runs tasks now."""
        return not self.trouble and self.phase == pulse.PHASES[pulse.RUNNING]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/health/celery`.

    workers: how many take and run tasks now; active_tasks: how many tasks they run.
    healthy: there is a worker, and none is in trouble.
    """

    workers: int
    active_tasks: int
    healthy: bool


def workers_in(folder: Path) -> list[WorkerHealth]:
    """Look at all workers with a heartbeat file in `folder`, by name."""
    return [
        WorkerHealth(
            name=each.name,
            phase=pulse.PHASES[each.phase],
            slots=each.slots,
            busy=each.busy,
            beat_age_s=each.beat_age_s,
            trouble=pulse.trouble(each),
        )
        for each in pulse.read_all(str(folder))
    ]


def health_of(workers: list[WorkerHealth]) -> Health:
    """Sum up what was seen of the workers."""
    up = [worker for worker in workers if worker.is_up]
    return Health(
        workers=len(up),
        active_tasks=sum(worker.busy for worker in up),
        healthy=bool(up) and not any(worker.trouble for worker in workers),
    )
