"""Which network brokers are served by transports of ours, said before anything of their clients is imported."""

from __future__ import annotations

from celeriac.transports.redis import location as redis
from celeriac.transports.redis.location import Location

#: transport → the scheme by which people know it
TRANSPORTS = {
    "celeriac.transports.redis.transport:Transport": "redis",
    "celeriac.transports.redis.transport:SentinelTransport": "sentinel",
    "celeriac.transports.sqs.transport:Transport": "sqs",
}


def locate(url: str) -> Location | None:
    """Say how to connect to a broker on Redis or SQS; None for anything else."""
    if url.startswith("sqs://"):
        return Location(url, "celeriac.transports.sqs.transport:Transport")
    return redis.locate(url)
