"""The report of a run: medians over the rounds, ratios to the peers, a table, and the raw figures as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.setups import REDIS, SETUPS, SQLALCHEMY, Setup

RESULTS = Path(__file__).parent / "results"
MEASURED_WITH = ("celeriac", "celery", "kombu", "redis", "sqlalchemy")
#: setup's title → one dictionary of figures a round
Rounds = dict[str, list[dict[str, float]]]


def medians(rounds: Rounds) -> dict[str, dict[str, float]]:
    """The median of every figure over the rounds of its setup."""
    return {
        title: {name: statistics.median(one[name] for one in taken) for name in taken[0]}
        for title, taken in rounds.items()
        if taken
    }


def ratios(middle: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """How many times faster each Celeriac setup drains than each peer with results handled the same way."""
    found: dict[str, dict[str, float]] = {}
    for setup in SETUPS:
        if setup.title not in middle or not setup.name.startswith("Celeriac"):
            continue
        for peer in (REDIS, SQLALCHEMY):
            title = f"{peer}, results {setup.results}"
            if title in middle:
                ratio = middle[setup.title]["drain"] / middle[title]["drain"]
                found.setdefault(setup.title, {})[f"drain / {peer}"] = ratio
    return found


def write(rounds: Rounds, *, load_before: float) -> Path:
    """Write the raw figures beside what they were measured with; gives the file."""
    middle = medians(rounds)
    content: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "cpu": _cpu(),
            "system": f"{platform.system()} {platform.release()}",
            "load_before": round(load_before, 2),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in MEASURED_WITH}},
        "unit": "tasks per second, or milliseconds",
        "medians": middle,
        "ratios": ratios(middle),
        "rounds": rounds,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-throughput.json"
    path.write_text(json.dumps(_rounded(content), indent=1) + "\n")
    return path


def show(rounds: Rounds, console: Console) -> None:
    """Print the table of medians and ratios."""
    middle = medians(rounds)
    against = ratios(middle)
    table = Table(title="tasks per second (median of the rounds)")
    table.add_column("setup", no_wrap=True)
    for name in ("enqueue", "drain", "end to end", "idle p50/p99 ms", "drain ÷ Redis", "drain ÷ sqlalchemy"):
        table.add_column(name, justify="right")
    for setup in SETUPS:
        if setup.title in middle:
            table.add_row(*_row(setup, middle[setup.title], against.get(setup.title, {})))
    console.print(table)


def _row(setup: Setup, figures: dict[str, float], against: dict[str, float]) -> list[str]:
    idle = f"{figures['idle_p50_ms']:.1f} / {figures['idle_p99_ms']:.1f}" if "idle_p50_ms" in figures else ""
    times = [
        f"{against[key]:.1f}×" if (key := f"drain / {p}") in against else "" for p in (REDIS, SQLALCHEMY)
    ]
    rates = [f"{figures[name]:,.0f}" for name in ("enqueue", "drain", "end_to_end")]
    return [setup.title, *rates, idle, *times]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
