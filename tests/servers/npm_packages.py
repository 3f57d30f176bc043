"""Programs and data that only npm packages carry: installed once, at pinned versions, into the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLS_WITHIN_S = 180


def npm_packages(name: str, *packages: str) -> Path:
    """Give the node_modules/ that holds these packages, installing them once.

    name: of the folder for them; packages: with their versions, like "typescript@5.9.3".
    Skips the test if they cannot be had; fails where CI=true.
    """
    folder = Path(sys.prefix) / "npm" / name
    installed = folder / "installed"
    wanted = "\n".join(packages)
    if installed.is_file() and installed.read_text() == wanted:
        return folder / "node_modules"
    trouble = _install(folder, packages)
    if trouble is None:
        # Written last: a folder that an interrupted install left behind is not taken for whole.
        installed.write_text(wanted)
        return folder / "node_modules"
    if os.environ.get("CI") == "true":
        raise FileNotFoundError(f"{name} cannot be installed: {trouble}")
    pytest.skip(f"{name} cannot be installed: {trouble}")


def _install(folder: Path, packages: tuple[str, ...]) -> str | None:
    """Say what went wrong, if anything did."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(folder),
        *packages,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALLS_WITHIN_S)
    except subprocess.TimeoutExpired:
        return f"npm took longer than {INSTALLS_WITHIN_S} s"
    return done.stderr[-300:] if done.returncode else None
