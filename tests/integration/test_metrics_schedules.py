"""The schedule metrics of a real beat, which is frozen in between: they must say how late it came."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable

import pytest

from servers.project import Project
from servers.redis_server import free_port

EVERY_S = 4

PLAN = """\
[celeriac]
imports = ["shop_tasks"]

[queues.default]
[pools.web]
queues = ["default"]

[schedules.tick]
task = "shop.add"
args = [1, 2]
every = "4s"

[metrics]
address = "127.0.0.1:{port}"
"""


def test_lag_and_overdue_follow_a_beat_that_is_frozen_and_goes_on(
    project: Callable[..., Project], eventually: Callable[..., object]
) -> None:
    port = free_port()
    shop = project(plan=PLAN.format(port=port))
    served = shop.start_celeriac("metrics")
    served.wait_for_log("serving", within=60)

    def schedules() -> dict[str, float]:
        """Metric -> value, all of one scrape."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        mine = [line.split() for line in lines if '{schedule="tick"}' in line and line[0] != "#"]
        return {
            name.partition("{")[0].removeprefix("celeriac_schedule_"): float(value) for name, value in mine
        }

    assert schedules() == {"overdue_seconds": 0.0}, "no beat has seen it yet"
    beat = shop.start_celeriac("beat")
    eventually(lambda: "last_sent_timestamp_seconds" in schedules(), within=60)
    fresh = schedules()
    assert _slot_of(fresh) % EVERY_S == pytest.approx(0, abs=0.002)

    os.kill(beat.pid, signal.SIGSTOP)
    overdue = eventually(lambda: (it := schedules())["overdue_seconds"] > 2 and it, within=60)
    assert isinstance(overdue, dict)
    assert overdue["lag_seconds"] == fresh["lag_seconds"], "nothing was sent meanwhile"
    os.kill(beat.pid, signal.SIGCONT)

    late = eventually(lambda: (it := schedules())["lag_seconds"] > 2 and it, within=60)
    assert isinstance(late, dict)
    assert _slot_of(late) % EVERY_S == pytest.approx(0, abs=0.002)
    assert _slot_of(late) > _slot_of(fresh)
    # The next one comes in time again.
    eventually(lambda: schedules()["lag_seconds"] < 2, within=60)
    assert beat.stop() == 0


def _slot_of(read: dict[str, float]) -> float:
    return read["last_sent_timestamp_seconds"] - read["lag_seconds"]
