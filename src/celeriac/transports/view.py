"""What can be asked of a broker without consuming from it: one protocol, one implementation per transport."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from celeriac.errors import BrokerError


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """One queue as it is now.

    ready, delayed, unacked: messages that wait for a worker, wait for their time, are with a worker.
    due: of the delayed, those whose time has come; the next worker that looks makes them ready.
    oldest_age_s: seconds the oldest ready message has waited; None if none waits.
    consumers: live consumers reading it.
    """

    name: str
    ready: int
    delayed: int
    unacked: int
    oldest_age_s: float | None
    consumers: int
    max_length: int | None = None
    due: int = 0


class ConsumerState(msgspec.Struct, frozen=True, kw_only=True):
    """One process that reads from the broker.

    name: what it calls itself, like "web-1@host", else "host:pid".
    unacked: messages it holds, None where nobody can tell; running: how many of them it has started.
    """

    id: str
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    unacked: int | None
    running: int


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """Where the message of one task is.

    state: "ready" waits for a worker, "delayed" for its time, "fetched" is with a worker, "running" was started.
    ahead: messages that will be taken before it, if ready.
    due_at: epoch seconds, if delayed.
    deliveries: earlier deliveries that ended with the worker's death.
    """

    queue: str
    task: str | None
    state: Literal["ready", "delayed", "fetched", "running"]
    ahead: int | None
    due_at: float | None
    sent_at: float
    consumer: ConsumerState | None
    deliveries: int


class BrokerView(Protocol):
    """Reads of a broker; never changes what it looks at."""

    def queues(self) -> list[QueueState]: ...
    def consumers(self) -> list[ConsumerState]: ...
    def find(self, task_id: str) -> Whereabouts | None: ...
    def close(self) -> None: ...


def open_view(
    url: str, folder: Path, *, queues: tuple[str, ...] = (), options: dict[str, Any] | None = None
) -> BrokerView:
    """Open the view of the broker at `url`; a relative sqlite path is taken from `folder`.

    queues: names that the broker may not know: on Redis a queue of stock Celery is nothing but its messages.
    options: kombu's transport options, for a network broker.
    Raises: BrokerError BROKER-012 where the broker offers no view.
    """
    from celeriac.transports.redis import location  # noqa: PLC0415 - each broker is imported where it is used
    from celeriac.transports.sqlite.location import locate  # noqa: PLC0415
    from celeriac.transports.sqlite.view import SQLiteView  # noqa: PLC0415

    if redis := location.locate(url):
        from celeriac.transports.redis.view import RedisView  # noqa: PLC0415 - an extra

        return RedisView(redis, queues=queues, options=options)
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite":
        raise BrokerError(
            "BROKER-012",
            f'queues of a "{scheme}" broker cannot be looked into yet.',
            known=("sqlite", "redis"),
            fix="use the broker's own tools, or `celery -A … inspect`",
        )
    if not rest.startswith("//"):
        url = f"sqlite:///{folder.absolute()}{rest}"
    return SQLiteView(locate(url))
