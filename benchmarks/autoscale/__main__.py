"""`python -m benchmarks.autoscale`: simulate every day under every rule, and write figures and drawings."""

from __future__ import annotations

import argparse
import json
import statistics
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.autoscale.arrivals import DAYS
from benchmarks.autoscale.drawing import draw
from benchmarks.autoscale.rules import rules
from benchmarks.autoscale.simulation import Outcome, simulate

_RESULTS = Path(__file__).parent.parent / "results"
#: of a whole day nothing could be seen
_DRAWN_HOURS = {"steady": 0.5, "bursty": 2.0, "daily": 24.0, "patient": 4.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each day, with other arrivals")
    parser.add_argument("--output", type=Path, default=_RESULTS)
    parser.add_argument("--only", help="one day; writes no result file")
    options = parser.parse_args()
    written: dict[str, dict[str, dict[str, float]]] = {}
    stem = f"{datetime.now(UTC):%Y-%m-%d-%H%M}-autoscale"
    for day in (it for it in DAYS if options.only in (None, it.name)):
        first: dict[str, Outcome] = {}
        written[day.name] = {}
        print(f"\n{day.name}: {day.says}\n")
        print("| rule | late | p99 wait | slot-hours | changes | turns |")
        print("|---|---|---|---|---|---|")
        for name in rules(day):
            runs = [simulate(day, rules(day)[name], seed) for seed in range(options.seeds)]
            first[name] = runs[0]
            figures = [it.figures() for it in runs]
            median = {key: statistics.median(it[key] for it in figures) for key in figures[0]}
            written[day.name][name] = median
            print(
                f"| {name} | {median['late_percent']:.2f}% | {median['wait_p99_s']:.1f} s | {median['slot_hours']:.1f}"
                f" | {median['changes']:g} | {median['turns']:g} |"
            )
        if options.only:
            continue
        drawn = {name: it for name, it in first.items() if not name.startswith("fixed")}
        (options.output / f"{stem}-{day.name}.svg").write_text(draw(day, drawn, _DRAWN_HOURS[day.name]))
    if options.only:
        return
    found = {"seeds": options.seeds, "days": {day.name: day.says for day in DAYS}, "medians": written}
    (options.output / f"{stem}.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
