"""A connection that stays with our transport whichever address it turns to, and is named by its scheme."""

from __future__ import annotations

from typing import Any

from kombu.connection import Connection as KombuConnection

from celeriac.transports.location import TRANSPORTS, locate

_OURS = {**TRANSPORTS, "celeriac-redis": "redis+socket"}
#: what `locate` makes of redis+socket; kombu takes what stands before the plus for the transport
_SOCKET = "celeriac-redis+socket"


class Connection(KombuConnection):
    """kombu's own; of connections by other transports, nothing is changed."""

    def switch(self, conn_str: str) -> None:
        """Turn to another address, as kombu does when one of several does not answer.

        kombu takes what stands before :// for the transport, which would be Celery's own, with its losses.
        """
        is_ours = self.transport_cls in _OURS
        super().switch(conn_str)
        located = locate(conn_str) if is_ours else None
        if located is not None:
            self.transport_cls = located.transport

    def ensure(
        self, obj: Any, fun: Any, errback: Any = None, max_retries: int | None = None, **kwargs: Any
    ) -> Any:
        """Make a function that tries again; one without an end is tried once.

        Celery sends a worker's heartbeat without an end, in its loop, which would do nothing else until the server is
        back. Each call of ours connects anew where it must.
        """
        if max_retries is None and self.transport_cls in _OURS:
            max_retries = 0
        return super().ensure(obj, fun, errback, max_retries, **kwargs)

    def as_uri(self, include_password: bool = False, mask: str = "**", **kwargs: Any) -> str:
        """Give the address as it was written, for people, and for Flower, which knows brokers by their scheme."""
        named, _, rest = super().as_uri(include_password, mask, **kwargs).partition("://")
        scheme = "redis+socket" if named == _SOCKET else _OURS.get(named, named)
        return f"{'rediss' if scheme == 'redis' and self.ssl else scheme}://{rest}"
