"""The program `celeriac`: answers `celeriac probe` at once, and hands all else to the command line."""

from __future__ import annotations

import sys


def main() -> int | None:
    """Run `celeriac`."""
    if sys.argv[1:2] == ["probe"]:
        from celeriac_probe.probe import run  # noqa: PLC0415 - the other way must not pay for it

        return run(sys.argv[2:])
    from celeriac.cli.main import main as command_line  # noqa: PLC0415 - importing it takes longer than a probe may

    return command_line()
