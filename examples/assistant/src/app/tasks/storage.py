"""Storage: uploads go to a place that follows from what is in them, packed."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from celery import shared_task

from app.core.rows import rows
from app.core.settings import settings


@shared_task
def store(path: str) -> str:
    """Pack an upload into the store, and give its SHA-256, by which `read` finds it.

    Equal files are stored once. The upload stays; cleanup removes it when it is old.
    """
    upload = Path(path)
    content = upload.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    place = _place(digest)
    if not place.exists():
        draft = place.with_suffix(".draft")
        draft.write_bytes(gzip.compress(content, mtime=0))
        draft.replace(place)
    with rows() as db:
        db.execute("INSERT OR IGNORE INTO objects VALUES (?, ?, ?)", (digest, upload.name, len(content)))
    return digest


def read(digest: str) -> bytes:
    """Give a stored file's content."""
    return gzip.decompress(_place(digest).read_bytes())


def _place(digest: str) -> Path:
    return settings().folder(f"objects/{digest[:2]}") / f"{digest[2:]}.gz"
