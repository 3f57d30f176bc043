"""Which edits of a project matter to what runs: its Python files, and its plan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from watchfiles import Change, PythonFilter, awatch

Edited = Literal["code", "plan"]


class ProjectFilter(PythonFilter):
    """Python files and the plan; not what is installed, generated or Celeriac's own."""

    ignore_dirs = (*PythonFilter.ignore_dirs, ".celeriac", "venv", "build", "dist")

    def __init__(self, plan: Path | None) -> None:
        super().__init__()
        self._plan = None if plan is None else str(plan)

    def __call__(self, change: Change, path: str) -> bool:
        return path == self._plan or super().__call__(change, path)


async def edits(folder: Path, plan: Path | None) -> AsyncIterator[Edited]:
    """Yield once per burst of edits below `folder`: "plan" if the plan file is among them, else "code".

    Stops when its task is cancelled.
    """
    folder, plan = folder.resolve(), plan.resolve() if plan else None
    async for changes in awatch(folder, watch_filter=ProjectFilter(plan), debounce=400, step=50):
        yield "plan" if plan is not None and any(path == str(plan) for _, path in changes) else "code"
