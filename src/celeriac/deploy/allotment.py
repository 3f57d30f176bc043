"""Allotment: what a worker may use at most, and what is kept free for it, each with where in the plan it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from celeriac.deploy.units import Unit
from celeriac.deploy.yaml import Note
from celeriac.units import cpus

_HALF = "half of it"


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """Notes of a number of CPUs and of bytes; None where nothing says."""

    cpu: Note | None = None
    memory: Note | None = None

    def written(
        self, cpu: Callable[[float], str], memory: Callable[[int], str], cpu_key: str = "cpu"
    ) -> dict[str, Any]:
        """Give those that are said, as a target writes them, with their notes."""
        found: dict[str, Any] = {}
        if self.cpu is not None:
            found[cpu_key] = Note(cpu(self.cpu.value), self.cpu.text)
        if self.memory is not None:
            found["memory"] = Note(memory(self.memory.value), self.memory.text)
        return found


class Allotment(msgspec.Struct, frozen=True, kw_only=True):
    """most: above it a worker is slowed down, or killed. kept: free for it, whatever others do."""

    most: Amounts = Amounts()
    kept: Amounts = Amounts()


def allotment(unit: Unit) -> Allotment:
    """Give what the plan allots to one worker of a pool: kept is half of the most, if nothing else is said."""
    given = unit.pool.resources if unit.pool else None
    if given is None:
        return Allotment()
    said = f"[pools.{unit.name}].resources"
    most, kept = cpus(given.cpu or ""), cpus(given.cpu_reserved or "")
    return Allotment(
        most=Amounts(cpu=_noted(most, f"{said}.cpu"), memory=_noted(given.memory, f"{said}.memory")),
        kept=Amounts(
            cpu=_noted(kept, f"{said}.cpu_reserved") or _noted((most or 0) / 2, _HALF),
            memory=_noted(given.memory_reserved, f"{said}.memory_reserved")
            or _noted((given.memory or 0) // 2, _HALF),
        ),
    )


def _noted(amount: float | None, where: str) -> Note | None:
    return Note(amount, where) if amount else None
