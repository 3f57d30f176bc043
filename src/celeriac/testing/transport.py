"""The broker of inline tests: kombu's in-memory transport, with queues of its own."""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, memory, virtual

#: what CELERY_BROKER_URL is while a test runs inline
URL = "celeriac-inline://"

# As for `sqlite`: kombu knows the transports of URLs from this table alone.
TRANSPORT_ALIASES.setdefault("celeriac-inline", "celeriac.testing.transport:Transport")


class Channel(memory.Channel):
    """A channel on the queues of this process."""

    queues: dict[str, Any] = {}  # noqa: RUF012 - kombu's own declares it so

    def close(self) -> None:
        """Close the channel; the queues stay, as a broker's do."""
        virtual.Channel.close(self)


class Transport(memory.Transport):
    """The transport of `celeriac-inline://`."""

    Channel = Channel
    global_state = virtual.BrokerState()
    driver_name = "celeriac-inline"


def forget_everything() -> None:
    """Empty the broker."""
    Channel.queues.clear()
    Transport.global_state.clear()
