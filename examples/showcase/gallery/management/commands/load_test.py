"""`manage.py load_test`: send many chains at once to the running pools, and say what they bear."""

from __future__ import annotations

import time
from typing import Any

from celeriac.control.runs import History, run_filter
from celeriac.integrations.django.project import project_plan
from celeriac.plan import Queue
from celeriac.records import RunOutcome
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gallery.chains import picture
from gallery.sizing import percentile, slots_for

_LINE = "{:<8}{:>7}{:>10}{:>11}{:>11}{:>11}{:>11}{:>12}"
_RECORDED_WITHIN_S = 30.0


class Command(BaseCommand):
    """Works on whatever runs: `make up`, or workers started one by one with a recorder."""

    help = (
        "Load the running pools; print throughput, waits against max_wait, and the slots a rate would need."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how many, how fine, and the rate to size for."""
        parser.add_argument("--count", type=int, default=40, help="chains (40)")
        parser.add_argument("--detail", type=int, default=3, help="of heavy_task (3)")
        parser.add_argument(
            "--rate", type=float, default=1.0, help="chains a second to size the pools for (1)"
        )
        parser.add_argument(
            "--within", type=float, default=300.0, help="seconds to wait for all of them (300)"
        )

    def handle(self, *, count: int, detail: int, rate: float, within: float, **_: Any) -> None:
        """Send, wait, and print what the records say of it.

        Raises: CommandError if not all have ended in time.
        """
        began = time.monotonic()
        sent = [picture(detail).delay() for _ in range(count)]
        roots = [str(result.parent.id) for result in sent]
        took = f"{count} chains sent in {time.monotonic() - began:.2f} s"
        for result in sent:
            left = max(began + within - time.monotonic(), 0.1)
            try:
                result.get(timeout=left)
            except TimeoutError as late:
                raise CommandError(f"not all of {count} chains ended within {within:g} s") from late
        self.stdout.write(f"{took}, done after {time.monotonic() - began:.2f} s\n\n")
        heading = ("queue", "tasks", "tasks/s", "run mean", "wait p50", "wait p95", "max_wait", "slots for")
        self.stdout.write(_LINE.format(*heading))
        for name, runs in _recorded(roots, 2 * count).items():
            self.stdout.write(_said(name, project_plan().queues[name], runs, rate))
        self.stdout.write(f"\nslots for: {rate:g} chains a second, at most 70% busy")


def _recorded(roots: list[str], expected: int) -> dict[str, list[RunOutcome]]:
    """Give the runs that came of these root tasks by queue, once all of them are on record as ended.

    Raises: CommandError if they are not, a while after they have ended.
    """
    history = History(project_plan())
    deadline = time.monotonic() + _RECORDED_WITHIN_S
    try:
        while True:
            found: dict[str, list[RunOutcome]] = {"heavy": [], "light": []}
            for root in roots:
                for seen in history.page(run_filter(root_id=root)):
                    if seen.outcome.ended_at is not None and seen.run.description.queue in found:
                        found[seen.run.description.queue].append(seen.outcome)
            recorded = sum(map(len, found.values()))
            if recorded >= expected:
                return found
            if time.monotonic() > deadline:
                raise CommandError(f"{recorded} of {expected} runs are on record; does a recorder run?")
            time.sleep(0.5)
    finally:
        history.close()


def _said(name: str, queue: Queue, runs: list[RunOutcome], rate: float) -> str:
    waits = [it.wait_s for it in runs if it.wait_s is not None]
    took = [it.run_s for it in runs if it.run_s is not None]
    span = max(it.ended_at or 0.0 for it in runs) - min(it.started_at or it.began_at for it in runs)
    mean_s = sum(took) / max(len(took), 1)
    return _LINE.format(
        name,
        len(runs),
        f"{len(runs) / max(span, 0.001):.1f}",
        f"{mean_s:.3f} s",
        f"{percentile(waits, 0.5):.2f} s",
        f"{percentile(waits, 0.95):.2f} s",
        f"{queue.max_wait.total_seconds():g} s" if queue.max_wait else "-",
        slots_for(rate, mean_s),
    )
