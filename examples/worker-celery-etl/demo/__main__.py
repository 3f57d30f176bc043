"""Serve the API, run the plan, and show the tour; everything stops with it."""

from __future__ import annotations

import os
import subprocess
import sys

from demo.users_api import running_users_api


def main() -> int:
    """Give the tour's exit code."""
    python = (sys.executable, "-m")
    with running_users_api() as api:
        return subprocess.run(
            [*python, "celeriac", "up", "--", *python, "demo.tour"],
            env={**os.environ, "USERS_API_URL": api.url},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
