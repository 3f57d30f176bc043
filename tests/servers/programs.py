"""Programs that tests run what was rendered by, where they are installed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

#: where this environment's own are
_HERE = Path(sys.executable).parent


def needed(program: str) -> str:
    """Find a program, of this environment or of the machine.

    Skips the test where it is not installed; fails there in CI.
    """
    found = shutil.which(program, path=os.pathsep.join([str(_HERE), os.environ.get("PATH", os.defpath)]))
    if found is not None:
        return found
    if os.environ.get("CI") == "true":
        raise FileNotFoundError(f"{program} is not installed: run scripts/install-servers")
    pytest.skip(f"{program} is not installed")
