"""The one stream all processes write to: whole lines, each with the name of who wrote it."""

from __future__ import annotations

import logging
import os
import re
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_OWN_COLOUR = 1
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Output:
    """Writes lines with a padded, coloured prefix.

    colour: None decides by the stream: a terminal, and NO_COLOR not set.
    """

    def __init__(self, stream: TextIO, *, own_name: str = "up", colour: bool | None = None) -> None:
        self._stream = stream
        self._own_name = own_name
        self._colours: dict[str, int] = {own_name: _OWN_COLOUR}
        self._width = len(own_name)
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR") if colour is None else colour
        self._closed = False

    def expect(self, names: list[str]) -> None:
        """Make room for these names, and give each a colour."""
        for name in names:
            self._colours.setdefault(name, _COLOURS[(len(self._colours) - 1) % len(_COLOURS)])
        self._width = max(self._width, *map(len, names), 0)

    def write(self, name: str, line: str) -> None:
        """Write one line of `name`. Never raises: a reader that has gone must not stop the work."""
        if self._closed:
            return
        prefix = f"{name:<{self._width}} |"
        if self._coloured:
            prefix = f"\x1b[{self._colours.get(name, 0)}m{prefix}\x1b[0m"
        else:
            line = _ESCAPES.sub("", line)
        try:
            self._stream.write(f"{prefix} {line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._closed = True

    def say(self, line: str) -> None:
        """Write lines of the supervisor's own."""
        for part in line.splitlines():
            self.write(self._own_name, part)


class OutputHandler(logging.Handler):
    """Writes what the supervisor's events say into the output."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.say(record.getMessage())
