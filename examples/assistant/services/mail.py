"""A mail server that keeps what it is given in a Maildir."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox


@contextmanager
def receiving(url: str, folder: Path) -> Iterator[None]:
    """Receive mail at the host and port of `url` until the block ends."""
    place = urlsplit(url)
    folder.parent.mkdir(parents=True, exist_ok=True)
    controller = Controller(Mailbox(folder), hostname=place.hostname or "127.0.0.1", port=place.port or 25)
    controller.start()
    try:
        yield
    finally:
        controller.stop()
