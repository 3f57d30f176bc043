"""Where this room keeps its files: one folder each for counts and for heartbeats, in the plan's `.celeriac/`."""

from __future__ import annotations

from pathlib import Path

from celeriac.plan import Plan


def books_folder(plan: Plan) -> Path:
    """Give the folder of the counts of all processes on this host."""
    return plan.state_folder.absolute() / "metrics"


def pulses_folder(plan: Plan) -> Path:
    """Give the folder of the heartbeat files of all workers on this host."""
    return plan.state_folder.absolute() / "workers"
