"""`python -m benchmarks.publish [RESULTS]`: show a run on the pages: the plot, and the tables between their marks.

RESULTS: a file of results/; left out, the newest run of all systems.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import aims
from benchmarks.drawing import draw
from benchmarks.report import RESULTS, depths_line, groups_line, markdown
from benchmarks.systems import STOCK, SYSTEMS

ROOT = RESULTS.parents[1]
PLOT = ROOT / "docs" / "images" / "benchmark.svg"
#: a machine with more to do than this, a core, has other work than ours
QUIET_LOAD = 0.25
_LOSING = {system.name for system in SYSTEMS if system.loses}
#: what README's short table shows: figure → its heading
_SHORT = {
    "end_to_end": "end to end",
    "end_to_end_bulk": "sent in bulk",
    "drain": "drain",
    "naps": "naps of 50 ms",
    "idle_p50_ms": "idle p50 ms",
    "idle_mb": "idle MB",
}


def publish(path: Path) -> None:
    """Write the plot and the tables of one run."""
    run: dict[str, Any] = json.loads(path.read_text())
    middle = run["medians"]
    machine = run["machine"]
    load = machine["load_before"]
    about = f"{run['measured_at'][:10]}, {machine['cores']} cores, load {load:g} before the run"
    if load > QUIET_LOAD * machine["cores"]:
        about += "; **the machine had other work to do meanwhile, so not even the ratios can be quoted**"
    PLOT.write_text(draw(middle, about.replace("**", "")))
    raw = f"benchmarks/results/{path.name}"
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    lines = [depths_line(run["depths"])]
    if run.get("groups"):  # runs of before have none
        lines.append(groups_line(run["groups"]))
    tables = "\n\n".join([markdown(middle), *lines, f"Measured with {versions}."])
    _between(ROOT / "docs" / "performance.md", f"Medians of [one run](../{raw}): {about}.\n\n{tables}")
    _between(ROOT / "docs" / "performance.md", aims.table(middle["stored"], run["depths"]), "aims")
    _between(ROOT / "README.md", f"{_short(middle['stored'])}\n\nMedians of [one run]({raw}): {about}.")


def _short(figures: dict[str, dict[str, float]]) -> str:
    lines = ["| results stored | " + " | ".join(_SHORT.values()) + " |", "|---|" + "---:|" * len(_SHORT)]
    stock = figures.get(STOCK.name, {})
    for name, own in figures.items():
        cells = []
        for figure in _SHORT:
            value, usual = own.get(figure), stock.get(figure)
            is_rate = not figure.startswith("idle")
            said = "" if value is None else f"{value:,.0f}" if value >= 30 else f"{value:.1f}"
            cells.append(f"{said} ({value / usual:.1f}×)" if is_rate and value and usual else said)
        mark = " †" if name in _LOSING else ""
        lines.append(f"| {name}{mark} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _between(page: Path, text: str, what: str = "figures") -> None:
    """Put a text between its marks. Raises: SystemExit if the page has none."""
    marks = f"<!-- {what} -->", f"<!-- end of {what} -->"
    before, begin, rest = page.read_text().partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end):
        raise SystemExit(f"{page} has no place for {what}: {marks[0]} … {marks[1]}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    publish(Path(sys.argv[1]) if len(sys.argv) > 1 else max(RESULTS.glob("*-peers.json")))
