"""The report of a run: medians over the rounds, ratios to stock Celery, a table, and the raw figures as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.systems import SAQ_PROGRAMS, STOCK, SYSTEMS

RESULTS = Path(__file__).parent / "results"
MEASURED_WITH = (
    "celeriac", "celery", "kombu", "redis", "hiredis", "gevent", "taskiq", "taskiq-redis", "dramatiq", "huey"
)  # fmt: skip
#: "stored" or "ignored" → system's name → one dictionary of figures a round
Rounds = dict[str, dict[str, list[dict[str, float]]]]
Medians = dict[str, dict[str, dict[str, float]]]

#: figure → its heading, and whether its ratio to stock is told
COLUMNS = {
    "enqueue": ("enqueue", True),
    "bulk_enqueue": ("bulk enqueue", True),
    "drain": ("drain", True),
    "end_to_end": ("end to end", True),
    "end_to_end_bulk": ("end to end, bulk", True),
    "end_to_end_1kb": ("1 KB", True),
    "end_to_end_100kb": ("100 KB", True),
    "naps": ("naps of 50 ms", False),
    "idle_p50_ms": ("idle p50 ms", False),
    "idle_p99_ms": ("p99 ms", False),
    "idle_mb": ("idle MB", False),
    "message_bytes": ("bytes a message", False),
}


def medians(rounds: Rounds) -> Medians:
    """The median of every figure over the rounds of its system."""
    return {
        results: {
            name: {
                figure: statistics.median(one[figure] for one in taken if figure in one)
                for figure in dict.fromkeys(figure for one in taken for figure in one)
            }
            for name, taken in systems.items()
            if taken
        }
        for results, systems in rounds.items()
    }


def ratios(middle: Medians) -> Medians:
    """How many times stock Celery's prefork each rate is."""
    found: Medians = {}
    for results, systems in middle.items():
        stock = systems.get(STOCK.name)
        if stock is None:
            continue
        found[results] = {
            name: {
                figure: figures[figure] / stock[figure]
                for figure, (_, is_rate) in COLUMNS.items()
                if is_rate and figure in figures and figure in stock
            }
            for name, figures in systems.items()
        }
    return found


def machine(load_before: float) -> dict[str, Any]:
    """Say what the figures were taken on, and with which versions."""
    server = subprocess.run(["redis-server", "--version"], stdout=subprocess.PIPE, text=True, check=False)
    saq = subprocess.run(
        [
            SAQ_PROGRAMS / "python",
            "-c",
            "import importlib.metadata as m; print(m.version('saq'), m.version('redis'))",
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout.split()
    return {
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "cpu": _cpu(),
            "system": f"{platform.system()} {platform.release()}",
            "load_before": round(load_before, 2),
        },
        "versions": {
            "python": platform.python_version(),
            "redis-server": server.stdout.partition("v=")[2].split()[0],
            **{name: version(name) for name in MEASURED_WITH},
            **dict(zip(("saq", "redis beside saq"), saq, strict=False)),
        },
    }


def write(
    rounds: Rounds,
    depths: dict[str, float],
    groups: dict[str, float],
    about: dict[str, Any],
    *,
    kind: str,
) -> Path:
    """Write the raw figures beside what they were measured with; gives the file.

    kind: "peers", or "quick" for a run of less.
    """
    middle = medians(rounds)
    now = datetime.now(UTC)
    content: dict[str, Any] = {
        "measured_at": now.isoformat(timespec="seconds"),
        **about,
        "unit": "tasks per second, milliseconds, MB (PSS), bytes",
        "medians": middle,
        "ratios to stock prefork": ratios(middle),
        "depths": depths,
        "groups": groups,
        "rounds": rounds,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%d-%H%M}-{kind}.json"
    path.write_text(json.dumps(rounded(content), indent=1) + "\n")
    return path


def depths_line(depths: dict[str, float]) -> str:
    """Say how depth changes the rate of the drain, and what a waiting message needs."""
    return (
        f"A queue of {depths['deep_messages']:,.0f} is drained at {depths['deep']:,.0f} tasks a second, "
        f"one of 10,000 at {depths['shallow']:,.0f}: {depths['deep'] / depths['shallow']:.0%}; "
        f"{depths['deep_message_bytes']:,.0f} bytes a message."
    )


def groups_line(groups: dict[str, float]) -> str:
    """Say how long a call takes that sends a large group, beside stock Celery's."""
    ours, stock = groups["ours_s"], groups["stock_s"]
    return (
        f"A group of {groups['tasks']:,.0f} tasks, results stored, is sent in {ours:.2f} s, by stock Celery in "
        f"{stock:.2f} s: {stock / ours:.1f} times as fast."
    )


def show(rounds: Rounds, console: Console) -> None:
    """Print a table for results stored, and one for results ignored; rates beside their ratio to stock prefork."""
    middle = medians(rounds)
    against = ratios(middle)
    for results, systems in middle.items():
        shown = [figure for figure in COLUMNS if any(figure in figures for figures in systems.values())]
        table = Table(title=f"results {results}: tasks a second (× stock Celery's prefork); † may lose tasks")
        table.add_column("", no_wrap=True)
        for figure in shown:
            table.add_column(COLUMNS[figure][0], justify="right")
        for system in SYSTEMS:
            if system.name in systems:
                figures = systems[system.name]
                times = against.get(results, {}).get(system.name, {})
                table.add_row(
                    system.name + (" †" if system.loses else ""),
                    *(_cell(figures.get(figure), times.get(figure)) for figure in shown),
                )
        console.print(table)


def markdown(middle: Medians) -> str:
    """Give the same tables as Markdown."""
    against = ratios(middle)
    lines: list[str] = []
    for results, systems in middle.items():
        shown = [figure for figure in COLUMNS if any(figure in figures for figures in systems.values())]
        lines += ["", f"| results {results} | " + " | ".join(COLUMNS[each][0] for each in shown) + " |"]
        lines.append("|---|" + "---:|" * len(shown))
        for system in SYSTEMS:
            if system.name in systems:
                times = against.get(results, {}).get(system.name, {})
                cells = [_cell(systems[system.name].get(each), times.get(each)) for each in shown]
                name = system.name + (" †" if system.loses else "")
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines[1:])


def _cell(value: float | None, times: float | None) -> str:
    if value is None:
        return ""
    said = f"{value:,.0f}" if value >= 30 else f"{value:,.1f}"
    return said if times is None else f"{said} ({times:.1f}×)"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def rounded(value: Any) -> Any:
    """Give the same figures with three places."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value
