"""Versions of documents: drawn, not counted, so that none repeats when a document is made anew."""

from __future__ import annotations

from secrets import randbits

from celeriac.coordination.protocol import ABSENT


def new_version() -> int:
    """Draw a version: 62 bits, never ABSENT."""
    return randbits(62) or ABSENT + 1
