"""What the plan's [metrics] count, read from the page that Prometheus scrapes. Nothing is counted here.

    python -m src.utils.metrics       a line for each task: how its runs ended, and how long they took

Counting inside a worker's processes by hand loses the counts of every process that is replaced; the page has them all.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections import defaultdict
from typing import NamedTuple

from celeriac import read_plan
from prometheus_client.parser import text_string_to_metric_families


class Runs(NamedTuple):
    """ended: status (success, failure, retry) → number of runs; seconds: run time of all of them."""

    ended: dict[str, int]
    seconds: float


def read_runs(page: str) -> dict[str, Runs]:
    """Read celery_tasks_processed_total and celery_task_duration_seconds; give the runs by task name."""
    ended: dict[str, dict[str, int]] = defaultdict(dict)
    seconds: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "celery_tasks_processed_total":
                ended[sample.labels["task_name"]][sample.labels["status"]] = int(sample.value)
            if sample.name == "celery_task_duration_seconds_sum":
                seconds[sample.labels["task_name"]] = sample.value
    return {name: Runs(counts, seconds[name]) for name, counts in ended.items()}


def fetch_page() -> str:
    """Fetch the page from the address of the plan."""
    metrics = read_plan().metrics
    address = metrics.address if metrics else ""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def main() -> int:
    """Print a line for each task."""
    try:
        page = fetch_page()
    except urllib.error.URLError as error:
        print(f"nobody serves the metrics ({error.reason}): is `make up` running?", file=sys.stderr)
        return 1
    for name, runs in sorted(read_runs(page).items()):
        counts = ", ".join(f"{count} {status}" for status, count in sorted(runs.ended.items()))
        print(f"{name:<46} {counts}, {runs.seconds:.2f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
