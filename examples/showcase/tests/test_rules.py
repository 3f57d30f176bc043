"""The rules of the showcase: who knows which task, how often it is tried, one thread for each process, sizes."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from celeriac import read_plan
from celeriac.plan import effective
from celeriac.tasks.hooks import Run

from gallery.heavy import heavy_task
from gallery.light import light_task
from gallery.sizing import MIB, Cost, measure, percentile, size_for, slots_for
from gallery.threads import OneThread

FOLDER = Path(__file__).resolve().parents[1]
KNOWN = """\
import importlib, sys
app = importlib.import_module(sys.argv[1]).app
app.loader.import_default_modules()
print(app.main, sorted(name for name in app.tasks if name.startswith("gallery.")))
"""


@pytest.mark.parametrize(
    ("app", "tasks"),
    [
        ("publisher", ["gallery.heavy.heavy_task", "gallery.light.light_task"]),
        ("heavy", ["gallery.heavy.heavy_task"]),
        ("light", ["gallery.light.light_task"]),
    ],
)
def test_each_app_knows_its_own_tasks_and_the_publisher_all(app: str, tasks: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KNOWN, f"showcase.{app}"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == f"{app} {tasks}"


def test_heavy_tasks_are_tried_three_times_more_and_light_ones_without_end() -> None:
    assert heavy_task.max_retries == 3
    assert light_task.max_retries is None
    assert (heavy_task.policy.retry.jitter, light_task.policy.retry.jitter) == (True, True)
    assert light_task.policy.retry.cap.total_seconds() == 60


def test_heavy_workers_hold_one_task_for_each_process_and_light_ones_four() -> None:
    pools = {name: effective(pool) for name, pool in read_plan(FOLDER / "celeriac.toml").pools.items()}
    assert {name: (it.executor, it.prefetch) for name, it in pools.items()} == {
        "heavy": ("prefork", 1),
        "light": ("prefork", 4),
    }


def test_every_learning_outcome_says_where_to_see_it() -> None:
    page = (FOLDER / "docs" / "learning-outcomes.md").read_text()
    sections = page.split("\n## ")[1:]
    assert len(sections) == 6
    assert all("*See it:*" in section for section in sections)


def test_a_task_that_leaves_a_thread_behind_is_named(caplog: pytest.LogCaptureFixture) -> None:
    run = Run("gallery.heavy.heavy_task", "7", (), {}, "heavy", 1)
    OneThread().on_success(run, None)
    assert not caplog.records
    done = threading.Event()
    left = threading.Thread(target=done.wait, name="left-behind")
    left.start()
    try:
        OneThread().on_success(run, None)
    finally:
        done.set()
        left.join()
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "gallery.heavy.heavy_task[7]: left-behind" in record.getMessage()


def test_sizes_follow_what_a_task_needs() -> None:
    computes = Cost(wall_s=2.0, cpu_s=1.9, peak_bytes=80 * MIB, threads=0)
    assert size_for(computes, cpus=4)[:2] == ("cpu", 4)
    waits = Cost(wall_s=1.0, cpu_s=0.1, peak_bytes=80 * MIB, threads=0)
    assert size_for(waits, cpus=4)[:2] == ("io", 40)
    hoards = Cost(wall_s=1.0, cpu_s=1.0, peak_bytes=2048 * MIB, threads=0)
    assert size_for(hoards, cpus=4)[:2] == ("ram", 1)
    assert slots_for(rate=7.0, mean_run_s=1.0) == 10
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0


def test_a_heavy_task_computes_and_leaves_no_thread_behind() -> None:
    cost, _ = measure("celery.backend_cleanup", [[]])
    assert cost.threads == 0
    assert cost.peak_bytes > 20 * MIB
