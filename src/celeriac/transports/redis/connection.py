"""A connection that stays with our transport whichever address it turns to, and is named by its scheme."""

from __future__ import annotations

from typing import Any

from kombu.connection import Connection as KombuConnection

from celeriac.transports.redis.location import locate

_OURS = {
    "celeriac.transports.redis.transport:Transport": "redis",
    "celeriac.transports.redis.transport:SentinelTransport": "sentinel",
}
#: what `locate` makes of redis+socket
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

    def as_uri(self, include_password: bool = False, mask: str = "**", **kwargs: Any) -> str:
        """Give the address as it was written, for people, and for Flower, which knows brokers by their scheme."""
        named, _, rest = super().as_uri(include_password, mask, **kwargs).partition("://")
        scheme = "redis+socket" if named == _SOCKET else _OURS.get(named, named)
        return f"{'rediss' if scheme == 'redis' and self.ssl else scheme}://{rest}"
