"""Which broker URLs are ours to serve, and by which transport; asked before anything of Redis is imported."""

from __future__ import annotations

from typing import NamedTuple

_TRANSPORTS = {
    "redis": "celeriac.transports.redis.transport:Transport",
    "rediss": "celeriac.transports.redis.transport:Transport",
    "redis+socket": "celeriac.transports.redis.transport:Transport",
    "sentinel": "celeriac.transports.redis.transport:SentinelTransport",
}


class Location(NamedTuple):
    """What a connection is made with. url: as kombu must read it. transport: the class, as "module:name"."""

    url: str
    transport: str


def locate(url: str) -> Location | None:
    """Say how to connect to `redis://`, `rediss://`, `redis+socket://`, `sentinel://`; None for anything else."""
    transport = _TRANSPORTS.get(url.partition("://")[0])
    if transport is None:
        return None
    # kombu takes what stands before a plus for the name of a transport, whatever transport it is given.
    return Location(url.replace("redis+socket://", "celeriac-redis+socket://"), transport)
