"""Whether a broker can be reached, found out by really connecting to it, and workers by it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from celery import Celery
from kombu.connection import Connection

from celeriac.app.urls import absolute
from celeriac.errors import redacted
from celeriac.transports.location import locate

#: how long one broker may take to answer
PATIENCE_S = 2.0
#: asked for, and never made
_NO_QUEUE = "celeriac.anybody-there"


def trouble_with(
    url: str, folder: Path, patience_s: float = PATIENCE_S, options: Mapping[str, Any] | None = None
) -> str | None:
    """Connect to the broker at `url`, and say why that cannot be done; None if it can.

    folder: the plan's, from which relative sqlite paths are taken. options: kombu's transport options.
    A server that accepts and then says nothing is not reached either: after `patience_s` nobody waits for it.
    """
    found: list[str | None] = []
    # A thread, for what no timeout of a client bounds: looking up a name, a handshake with a frozen server.
    trying = Thread(
        target=lambda: found.append(_try(absolute(url, folder), patience_s, options or {})), daemon=True
    )
    trying.start()
    trying.join(patience_s)
    return found[0] if found else f"no answer within {patience_s:g}s"


def hears_broadcasts(app: Celery) -> bool:
    """Say whether the app's workers can be asked and told something; SQS has no broadcasts."""
    connection: Any = app.connection_for_write()
    return bool(connection.supports_exchange_type("fanout"))


def _try(url: str, patience_s: float, options: Mapping[str, Any]) -> str | None:
    located = locate(url)
    if located is not None:
        names = ("socket_connect_timeout", "socket_timeout", "connect_timeout", "read_timeout")
        options = {**options, **dict.fromkeys(names, patience_s)}
        url = located.url
    try:
        transport = located.transport if located is not None else None
        with Connection(
            url, transport=transport, connect_timeout=patience_s, transport_options=dict(options)
        ) as connection:
            # One more try, at once: without a pause kombu gives up in time.
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, interval_max=0)
            # A broker that is a file is opened by the first question only; that there is no such queue is an answer.
            with suppress(*connection.channel_errors):
                connection.default_channel.queue_declare(_NO_QUEUE, passive=True)
    except Exception as error:  # whatever its client raises, this broker is of no use now
        return redacted(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
    return None
