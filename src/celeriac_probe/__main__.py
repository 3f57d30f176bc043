"""`celeriac-probe`, and `python -m celeriac_probe`: the same as `celeriac probe`."""

from __future__ import annotations

import sys

from celeriac_probe.probe import run


def main() -> int:
    """Answer the command line of this process."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
