"""The journal of a test: what was sent and retried, in whichever process it happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from celery import signals
from kombu.utils import json

_UID = "celeriac.testing.journal"


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was sent.

    args, kwargs: as they come out of JSON. queue: its routing key. eta: ISO time before which it does not run.
    """

    task: str
    id: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str
    priority: int | None = None
    eta: str | None = None
    expires: str | None = None


class Retrying(msgspec.Struct, frozen=True, kw_only=True):
    """A failed run that is tried again.

    retry: 1 for the first. exception, message: why.
    """

    task: str
    id: str
    args: list[Any]
    kwargs: dict[str, Any]
    retry: int
    exception: str
    message: str


class Journal:
    """A file of JSON lines that every process of a test writes to; a line is written in one go."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._prepared = threading.local()

    def sent(self) -> list[Sending]:
        """Give what was sent, in order."""
        return [Sending(**entry) for kind, entry in self._entries() if kind == "sent"]

    def retried(self) -> list[Retrying]:
        """Give what was retried, in order."""
        return [Retrying(**entry) for kind, entry in self._entries() if kind == "retried"]

    def watch(self) -> Callable[[], None]:
        """Write down what this process and its children send and retry; give the function that ends it."""
        watched = (
            (signals.before_task_publish, self._on_prepared),
            (signals.after_task_publish, self._on_sent),
            (signals.task_retry, self._on_retry),
        )
        for signal, handler in watched:
            signal.connect(handler, weak=False, dispatch_uid=f"{_UID}.{id(self)}")

        def end() -> None:
            for signal, _ in watched:
                signal.disconnect(dispatch_uid=f"{_UID}.{id(self)}")

        return end

    def _on_prepared(self, properties: Any = None, **_: Any) -> None:
        self._prepared.priority = (properties or {}).get("priority")

    def _on_sent(self, sender: Any, headers: Any, body: Any, routing_key: Any, **_: Any) -> None:
        if headers.get("retries"):
            return
        self._write(
            "sent",
            task=str(sender),
            id=headers["id"],
            args=list(body[0]),
            kwargs=body[1],
            queue=routing_key,
            priority=getattr(self._prepared, "priority", None),
            eta=headers.get("eta"),
            expires=headers.get("expires"),
        )

    def _on_retry(self, sender: Any, request: Any, reason: Any, **_: Any) -> None:
        error = getattr(reason, "exc", None) or reason
        self._write(
            "retried",
            task=sender.name,
            id=request.id,
            args=list(request.args or ()),
            kwargs=dict(request.kwargs or {}),
            retry=request.retries + 1,
            exception=f"{type(error).__module__}.{type(error).__qualname__}",
            message=str(error),
        )

    def _write(self, kind: str, **entry: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([kind, entry], default=repr) + "\n")

    def _entries(self) -> list[tuple[str, dict[str, Any]]]:
        if not self.path.exists():
            return []
        return [tuple(json.loads(line)) for line in self.path.read_text().splitlines()]
