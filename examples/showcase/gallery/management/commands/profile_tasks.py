"""`manage.py profile_tasks`: what each task costs in time, processor and memory, and the pool that suits it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gallery.heavy import heavy_task
from gallery.light import light_task
from gallery.sizing import MIB, Cost, measure, size_for

_LINE = "{:<28}{:>9}{:>9}{:>7}{:>10}{:>9}"


class Command(BaseCommand):
    """Runs both tasks, each in a process of its own, without the broker."""

    help = "Measure the tasks, and print right-sized pools for celeriac.toml."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how often and how fine."""
        parser.add_argument("--runs", type=int, default=5, help="of each task (5)")
        parser.add_argument("--detail", type=int, default=5, help="of heavy_task (5)")

    def handle(self, *, runs: int, detail: int, **_: Any) -> None:
        """Measure, then print what was measured and what follows."""
        heavy, pictures = measure(heavy_task.name, [[detail]] * runs)
        light, _results = measure(light_task.name, [[picture] for picture in pictures])
        self.stdout.write(_LINE.format("task", "wall s", "cpu s", "cpu", "peak MiB", "threads"))
        for name, cost in ((heavy_task.name, heavy), (light_task.name, light)):
            self.stdout.write(
                _LINE.format(
                    name,
                    f"{cost.wall_s:.3f}",
                    f"{cost.cpu_s:.3f}",
                    f"{cost.cpu_share:.0%}",
                    f"{cost.peak_bytes / MIB:.0f}",
                    cost.threads,
                )
            )
        for name, cost in (("heavy", heavy), ("light", light)):
            self.stdout.write(f"\n{_pool(name, cost)}")


def _pool(name: str, cost: Cost) -> str:
    size = size_for(cost)
    return "\n".join(
        (
            f"[pools.{name}]",
            f'profile = "{size.profile}"',
            'executor = "prefork"',
            f"concurrency = {size.slots}",
            f'max_memory_per_child = "{size.child_bytes // MIB}MiB"',
            f'resources = {{ memory = "{size.worker_bytes // MIB}MiB" }}',
        )
    )
