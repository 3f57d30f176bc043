"""Sealing and signing on the way out, also by producers that are not ours."""

from __future__ import annotations

from typing import Any

from celeriac.security import Guard


def closes(body: Any, headers: dict[str, Any]) -> bool:
    """Say whether a message is a task, in either protocol, and no event, command or reply."""
    return "task" in headers or (isinstance(body, dict) and "task" in body and "id" in body)


class Guarded:
    """A producer of another kind, whose tasks are closed before it has them."""

    def __init__(self, producer: Any, guard: Guard) -> None:
        self._producer = producer
        self._guard = guard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def publish(self, body: Any, *args: Any, **said: Any) -> Any:
        """Publish as the producer does."""
        headers = said.get("headers")
        if headers is not None and closes(body, headers):
            compression = said.pop("compression", None) or self._producer.compression
            encoded = self._guard.close(
                body,
                headers,
                said,
                serializer=said.pop("serializer", None) or self._producer.serializer,
                compression=compression,
            )
            body = encoded.body
            said |= encoded._asdict()
            del said["body"]
        return self._producer.publish(body, *args, **said)
