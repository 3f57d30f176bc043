"""A message on its way: all that a channel must be told to send it, and what is told of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Done = Callable[[], None]


class Prepared(NamedTuple):
    """A message with its body encoded.

    body: bytes, or text where the serializer gives that. headers, properties: as kombu's channels take them; a channel
    may leave marks of its own in `properties`, so the same dict goes with every try.
    declare: entities that must exist first. chord: the body of the chord it is a part of. done: called when the message
    is on its way.
    """

    body: Any
    priority: int
    content_type: str
    content_encoding: str
    headers: dict[str, Any]
    properties: dict[str, Any]
    exchange: str
    routing_key: str
    declare: Sequence[Any]
    arguments: dict[str, Any]
    chord: Any = None
    done: Done | None = None

    @property
    def task_id(self) -> str | None:
        """The id, if it is a task in protocol 2."""
        task_id = self.headers.get("id")
        return task_id if isinstance(task_id, str) else None

    @property
    def is_task(self) -> bool:
        """Say whether it is a task, and not an event, a command or a reply: those are worth nothing later."""
        return "task" in self.headers and "id" in self.headers

    @property
    def queue(self) -> str:
        """The queue it goes to, as far as the sender knows."""
        return self.routing_key or self.exchange

    @property
    def size_bytes(self) -> int:
        """About how much goes over the wire."""
        return len(self.body) + 1024
