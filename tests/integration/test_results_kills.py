"""Chords under random kill -9 of pool processes and whole workers: each ends, and its body is stored once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from celery import chord

from celeriac.app import create_app
from celeriac.plan import read_plan

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
{places}
[queues.default]
[pools.web]
queues = ["default"]
executor = "prefork"
concurrency = 2
replicas = 2
[letters]
after = 1000   # the tasks are innocent of their processes' deaths
"""

TASKS = """\
import time
from pathlib import Path

from celery import shared_task


@shared_task(name="shop.part")
def part(value):
    time.sleep(0.005)
    return value


@shared_task(name="shop.body", bind=True)
def body(self, parts, number):
    with Path("bodies").open("a") as log:
        log.write(f"{number}:{self.request.delivery_info['deliveries']}\\n")
    return sum(parts)
"""

PARTS = 20


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def places(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    if request.param == "postgres":
        return f'results = "{request.getfixturevalue("postgres_server").new_database()}"'
    server = request.getfixturevalue("redis_server")
    server.flush()
    options = "[celery]\nbroker_transport_options = { lease = 2.0 }"
    return f'broker = "{server.database(0)}"\nresults = "{server.database(1)}"\n{options}'


@pytest.mark.parametrize(("chords", "kills"), [(20, 6), pytest.param(300, 100, marks=pytest.mark.soak)])
def test_every_chord_ends_and_its_body_is_stored_once(
    places: str, project: Callable[..., Any], eventually: Callable[..., Any], chords: int, kills: int
) -> None:
    shop = project(plan=PLAN.format(places=places), tasks=TASKS)
    up = shop.start_celeriac("up")
    up.wait_for_log("ready:")
    app = create_app(read_plan(shop.folder / "celeriac.toml"))
    rng = random.Random(7)
    fired = []
    next_kill = time.monotonic() + 0.3
    killed = 0
    while len(fired) < chords or killed < kills:
        if len(fired) < chords:
            parts = [app.signature("shop.part", (value,)) for value in range(PARTS)]
            fired.append(chord(parts, app.signature("shop.body", (len(fired),)), app=app)())
        if killed < kills and time.monotonic() >= next_kill:
            killed += _kill_one(up, rng)
            next_kill = time.monotonic() + rng.uniform(0.2, 0.8)
        elif len(fired) >= chords:
            time.sleep(0.02)
    for each in fired:
        assert each.get(timeout=60) == sum(range(PARTS))
    runs = Counter((shop.folder / "bodies").read_text().split())
    # A body that was running when it was killed runs again, as a later delivery; two stored ones would both say 0.
    assert [run for run, count in runs.items() if count > 1] == []
    assert {int(run.partition(":")[0]) for run in runs} == set(range(chords))
    app.close()


def _kill_one(up: Any, rng: random.Random) -> int:
    """Kill a pool process, or now and then a whole worker, which takes longer to come back; give how many died."""
    family = [each for each in up.family()[1:] if "recorder" not in _words(each)]
    whole = rng.random() < 0.1
    victims = [each for each in family if (_parent(each) == up.pid) == whole]
    if not victims:
        return 0
    try:
        rng.choice(victims).kill()
    except psutil.NoSuchProcess:
        return 0
    return 1


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ["recorder"]  # gone: not one to kill
