"""The connections that an app sends by, whose every step is bounded by the plan's deadline."""

from __future__ import annotations

from typing import Any

#: what a broker's client calls its bounds, by its driver
_BOUNDS = {
    "redis": ("socket_connect_timeout", "socket_timeout"),
    "amqp": ("connect_timeout", "read_timeout", "write_timeout"),
    "sqs": ("connect_timeout", "read_timeout"),
}
#: a send that fails is tried again on a new connection: to connect, to answer, and to answer before
_PARTS = 3


def takes_once(connection: Any) -> bool:
    """Say whether the broker is one of ours: it takes a step whole or not at all, and what has a once-key once."""
    transport = connection.get_transport_cls()
    channel = getattr(transport, "Channel", None)
    return bool(transport.driver_type == "sqlite" or getattr(channel, "keeps_once", False))


def bounded(app: Any, deadline_s: float, room_s: float | None = None) -> Any:
    """Give the app's connection for sending, not yet made.

    deadline_s: how long a send may take in all, with what is tried again.
    room_s: how long it may wait for room in a full queue; None: as long.
    """
    connection = app.connection_for_write()
    transport = connection.get_transport_cls()
    driver = transport.driver_type
    part_s = deadline_s / _PARTS
    options: dict[str, Any] = dict.fromkeys(_BOUNDS.get(driver, ()), part_s)
    if driver == "amqp":
        # Without confirms RabbitMQ says nothing of a message that it did not take.
        options["confirm_publish"] = True
    options |= app.conf.broker_transport_options
    options["send_within"] = deadline_s if room_s is None else room_s
    # kombu's own tries to connect come on top of ours.
    options |= {"max_retries": 0, "interval_start": 0}
    return app.connection_for_write(
        transport_options=options, connect_timeout=min(part_s, connection.connect_timeout or part_s)
    )
