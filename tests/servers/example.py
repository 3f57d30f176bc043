"""A copy of one of examples/, driven as its README says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from servers.project import Project, Running

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: what an example makes at run time, in whatever state somebody has left it
LEFT_BEHIND = shutil.ignore_patterns(
    ".venv", ".celeriac", ".env", "data", "work", "var", "logs", "__pycache__", "*.egg-info", ".*_cache"
)


class Example(Project):
    """A copy of examples/NAME in a folder of the test's own; its make targets use the Python of this environment."""

    def __init__(self, name: str, folder: Path, environ: Mapping[str, str]) -> None:
        shutil.copytree(EXAMPLES / name, folder, ignore=LEFT_BEHIND)
        super().__init__(folder, environ=environ)
        # The project's own scripts say where its code is.
        self.environ["PYTHONPATH"] = ""

    def make(self, target: str, within: float = 120.0, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `make TARGET` to its end; the caller judges the exit code."""
        return self.run(*_make(target, variables), within=within)

    def start_make(self, target: str, **variables: str) -> Running:
        """Start `make TARGET`."""
        return self.start(*_make(target, variables))


def _make(target: str, variables: Mapping[str, str]) -> list[str]:
    given = {"PYTHON": sys.executable, **variables}
    return ["make", target, *(f"{name}={value}" for name, value in given.items())]
