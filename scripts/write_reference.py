"""Write every reference page anew from the source it describes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: page → the command that writes it
PAGES = {
    "docs/reference/errors.md": ("scripts/error_codes.py",),
    "docs/reference/cli.md": ("scripts/cli_reference.py",),
    "docs/reference/plan.md": ("-m", "celeriac.plan.reference"),
    "docs/reference/metrics.md, docs/reference/events.md": ("-m", "celeriac.observe.reference"),
    "docs/reference/doctor.md": ("-m", "celeriac.doctor.reference"),
    "docs/reference/settings.md": ("-m", "celeriac.app.reference"),
}


def main() -> int:
    for page, command in PAGES.items():
        print(f"writing {page}", flush=True)
        ended = subprocess.run([sys.executable, *command], cwd=ROOT, check=False)
        if ended.returncode:
            return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
