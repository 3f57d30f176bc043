"""How long a call takes that sends a large group, by stock Celery and by Celeriac: `python -m benchmarks.groups`."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.servers.redis_server import running_redis

from benchmarks import report
from benchmarks.depths import measured
from benchmarks.runner import Runner
from benchmarks.systems import STOCK, System, environ_of

TASKS, ROUNDS = 10_000, 3
_FOLDERS = Path(__file__).resolve().parents[1] / "build"


def measure_groups(folder: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """Send a group by each of the two in turn, each time from a new process to a new Redis, results stored.

    Nothing runs the tasks: how long the call takes is what the caller waits for.
    Returns: tasks (of one group), stock_s and ours_s, the medians.
    """
    taken: dict[str, list[float]] = {"stock": [], "ours": []}
    for number in range(rounds):
        for who, system in (("stock", STOCK), ("ours", measured())):
            own = folder / f"{who}-{number}"
            own.mkdir()
            taken[who].append(_sent_in(system, own))
    return {"tasks": TASKS, **{f"{who}_s": statistics.median(spans) for who, spans in taken.items()}}


def _sent_in(system: System, folder: Path) -> float:
    """Say how long the call takes, seconds."""
    (folder / "redis").mkdir()
    with running_redis(folder / "redis") as redis:
        runner = Runner(system, folder, environ_of(system, folder, redis, stored=True))
        sent = runner.send("as_group", TASKS)
    return float(sent["ended"] - sent["started"])


if __name__ == "__main__":
    _FOLDERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=_FOLDERS) as temporary:
        print(report.groups_line(measure_groups(Path(temporary))))
