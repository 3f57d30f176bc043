"""Lua scripts for Redis: read from files, called by their SHA-1, taught to a server that does not know them."""

from __future__ import annotations

import hashlib
from pathlib import Path


class Script:
    """One script. text: its Lua; sha: what EVALSHA calls it by."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


def read_script(path: Path) -> Script:
    """Read a script from a `.lua` file."""
    return Script(path.read_text())
