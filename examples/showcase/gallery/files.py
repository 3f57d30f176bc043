"""Files of the site: put in place whole, so that nobody reads half of one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.conf import settings


def write_whole(name: str, content: bytes) -> None:
    """Write a file below MEDIA_ROOT, over an older one if there is one."""
    path = Path(settings.MEDIA_ROOT) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as new:
        new.write(content)
    Path(new.name).chmod(0o644)
    Path(new.name).replace(path)


def read(name: str) -> bytes:
    """Read a file below MEDIA_ROOT."""
    return (Path(settings.MEDIA_ROOT) / name).read_bytes()
