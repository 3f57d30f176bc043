"""Ids as PostgreSQL can keep them: they come off the wire, and may hold what its text cannot."""

from __future__ import annotations

from typing import overload

_ESCAPED = "celeriac-hex:"


@overload
def storable(text: str) -> str: ...
@overload
def storable(text: None) -> None: ...
def storable(text: str | None) -> str | None:
    """Give the text as it is, or spelled in hex if it holds a NUL or half of a surrogate pair."""
    if text is None or ("\x00" not in text and text.isascii()):
        return text
    raw = text.encode("utf-8", "surrogatepass")
    if "\x00" in text or raw.decode("utf-8", "replace") != text:
        return f"{_ESCAPED}{raw.hex()}"
    return text
