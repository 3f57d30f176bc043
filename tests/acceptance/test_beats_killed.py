"""Three beats whose leader is killed or frozen again and again: every slot runs once, by what the worker saw."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from celeriac.coordination import Coordination, open_coordination
from servers.project import Project, Running
from servers.redis_server import RedisServer
from servers.waiting import eventually

LEASE_S = 1.0
PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
state = "sqlite:///.celeriac/records.db"
coordination = "{coordination}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"

[schedules.quick]
task = "shop.note"
every = "200ms"

[schedules.slow]
task = "shop.note"
every = "700ms"

[beat]
lease = "1s"
"""

TASKS = """\
import os
from celery import shared_task

@shared_task(name="shop.note", bind=True)
def note(self):
    said = vars(self.request)
    line = f"{said['celeriac-schedule']} {said['celeriac-slot']} {self.request.id}\\n"
    runs = os.open("runs.txt", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(runs, line.encode())
    os.close(runs)
"""
PERIOD_MS = {"quick": 200, "slow": 700}


class Beats:
    """Three beats of a project, and which of them leads."""

    def __init__(self, project: Project, coordination: str) -> None:
        self.project = project
        self.store: Coordination = open_coordination(coordination, project.folder)
        self.running: dict[int, Running] = {}
        self.frozen_in_a_write = 0
        for _ in range(3):
            self.start()

    def start(self) -> None:
        beat = self.project.start_celeriac("beat")
        self.running[beat.pid] = beat

    def leader(self) -> int:
        """The leader's process; waits for one."""

        def pid() -> int | None:
            term = self.store.current("shop/beat")
            led_by = int(term.holder.split(":")[1]) if term else None
            return led_by if led_by in self.running else None

        found = eventually(pid, within=60.0)
        assert found is not None
        return found

    def logs(self) -> str:
        return "\n".join(beat.log for beat in self.running.values())


def runs_of(project: Project) -> list[tuple[str, int, str]]:
    """What the worker ran: schedule, slot in milliseconds, task id."""
    path = project.folder / "runs.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, round(float(slot) * 1000), task) for name, slot, task in map(str.split, lines)]


def freeze(beats: Beats) -> tuple[int, float]:
    """Freeze the leader, but not while it writes to a SQLite file: that would freeze the file for everybody."""
    while True:
        leader = beats.leader()
        began = time.monotonic()
        os.kill(leader, signal.SIGSTOP)
        eventually(lambda: psutil.Process(leader).status() == psutil.STATUS_STOPPED, within=60.0)  # noqa: B023
        if not any(words[3:5] == ["WRITE", str(leader)] for words in map(str.split, locks())):
            return leader, began
        os.kill(leader, signal.SIGCONT)
        beats.frozen_in_a_write += 1


def locks() -> list[str]:
    """The locks on files that the processes of this machine hold; none where it cannot be told."""
    table = Path("/proc/locks")
    return table.read_text().splitlines() if table.exists() else []


def plague(beats: Beats, rounds: int, draw: random.Random) -> list[float]:
    """Kill or freeze the leader `rounds` times; give how long each time nobody led."""
    gaps = []
    frozen: list[int] = []
    for number in range(rounds):
        leader = beats.leader()
        # Anywhere in the leader's work: waiting, claiming, publishing, settling, renewing.
        moment = time.monotonic() + draw.uniform(0.05, 0.5)
        eventually(lambda: time.monotonic() >= moment, within=2.0, every=0.001)  # noqa: B023
        leader = beats.leader()
        began = time.monotonic()
        if number % 2:
            leader, began = freeze(beats)
            frozen.append(leader)
        else:
            beats.running.pop(leader).signal_group(signal.SIGKILL)
            beats.start()
        assert eventually(lambda: beats.leader() != leader, within=60.0)  # noqa: B023
        gaps.append(time.monotonic() - began)
        if len(frozen) > 1 or draw.random() < 0.5:
            while frozen:
                os.kill(frozen.pop(), signal.SIGCONT)
    while frozen:
        os.kill(frozen.pop(), signal.SIGCONT)
    return gaps


@pytest.fixture(params=["sqlite", "redis", pytest.param("postgres", marks=pytest.mark.soak)])
def urls(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The broker and what the beats agree by."""
    if request.param == "sqlite":
        return "sqlite:///.celeriac/broker.db", "sqlite:///.celeriac/records.db"
    if request.param == "postgres":
        request.getfixturevalue("redis_server").flush()
        database = request.getfixturevalue("postgres_server").new_database()
        return request.getfixturevalue("redis_server").database(8), database
    server: RedisServer = request.getfixturevalue("redis_server")
    server.flush()
    return server.database(8), server.database(9)


def survive(project: Project, coordination: str, rounds: int, record: Callable[[str, Any], None]) -> None:
    worker = project.start_celeriac("worker", "web")
    beats = Beats(project, coordination)
    eventually(lambda: len(runs_of(project)) > 5, within=60.0)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    gaps = plague(beats, rounds, random.Random(seed))
    before = len(runs_of(project))
    eventually(lambda: len(runs_of(project)) > before + 5, within=60.0)
    for beat in beats.running.values():
        assert beat.stop() == 0, beat.log

    settled = 0

    def drained() -> bool:
        nonlocal settled
        seen, settled = settled, len(runs_of(project))
        return seen == settled

    eventually(drained, within=60.0, every=1.0)
    runs = runs_of(project)
    for name, period_ms in PERIOD_MS.items():
        slots = Counter(slot for schedule, slot, _ in runs if schedule == name)
        doubled = {slot: count for slot, count in slots.items() if count > 1}
        due = range(min(slots), max(slots) + 1, period_ms)
        missed = sorted(set(due) - set(slots))
        assert not doubled, f"{name}: {len(doubled)} slots ran twice: {doubled}\n{beats.logs()}"
        assert not missed, f"{name}: {len(missed)} slots never ran: {missed}\n{beats.logs()}"
    # Of a leader that fell silent the next one knows by the lapse of its lease.
    assert max(gaps) < LEASE_S + 5, gaps
    assert worker.is_running()
    record("rounds", rounds)
    record("frozen_in_a_write", beats.frozen_in_a_write)
    record("slots", len(runs))
    record("longest_gap_s", round(max(gaps), 2))
    print(f"{rounds} leaders killed or frozen, {len(runs)} slots, each once; longest gap {max(gaps):.2f}s")
    beats.store.close()


def test_every_slot_runs_once_though_leaders_are_killed_and_frozen(
    project: Callable[..., Project], urls: tuple[str, str], record_property: Callable[[str, Any], None]
) -> None:
    made = project(plan=PLAN.format(broker=urls[0], coordination=urls[1]), tasks=TASKS)
    survive(made, urls[1], 10, record_property)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_slot_runs_once_through_hundreds_of_leaders(
    project: Callable[..., Project], urls: tuple[str, str], record_property: Callable[[str, Any], None]
) -> None:
    made = project(plan=PLAN.format(broker=urls[0], coordination=urls[1]), tasks=TASKS)
    survive(made, urls[1], 200, record_property)


def test_files_of_a_stock_beat_stop_nothing(project: Callable[..., Project]) -> None:
    """A stale pid file and a corrupt schedule file, where a stock beat would look for them."""
    plan = PLAN.format(broker="sqlite:///.celeriac/broker.db", coordination="sqlite:///.celeriac/records.db")
    made: Project = project(plan=plan, tasks=TASKS)
    for name in ("celerybeat.pid", "celerybeat-schedule", ".celeriac/beat-schedule"):
        made.write(name, "1\n")
    beat = made.start_celeriac("beat")
    beat.wait_for_log("schedule quick sent")
    assert beat.stop() == 0
    assert Path(made.folder / "celerybeat.pid").read_text() == "1\n"
