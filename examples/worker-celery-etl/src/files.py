"""Files that are there whole or not at all, whenever their writer is killed."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4


def put(path: Path, content: bytes) -> Path:
    """Write the file and give its path; a reader finds the old content or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{uuid4().hex}")
    half.write_bytes(content)
    return half.replace(path)
