"""Redis's errors in our words, each with its remedy."""

from __future__ import annotations

import importlib.util

from celeriac.errors import BrokerError, BrokerUnavailable

if importlib.util.find_spec("redis") is None:
    raise BrokerError(
        "BROKER-035",
        "a redis:// broker needs the package redis, which is not installed.",
        fix="pip install 'celeriac[redis]'",
    )

from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

#: what ends a call that can be made again on a new connection
LOST = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)


def one_try() -> Retry:
    """Give what keeps redis-py from trying again by itself."""
    return Retry(NoBackoff(), 0)


def explained(error: Exception, at: str) -> BrokerError:
    """Tell an error of the server or of the way to it.

    at: the server, like "127.0.0.1:6379/0".
    """
    said = str(error).strip().rstrip(".") or type(error).__name__
    if isinstance(error, exceptions.OutOfMemoryError) or said.startswith("OOM"):
        return BrokerUnavailable(
            "BROKER-031",
            "Redis has no memory left, so it takes no more messages. Nothing was sent.",
            at=at,
            fix="raise its maxmemory, or let workers drain the queues; keep maxmemory-policy at noeviction",
        )
    is_refused = said.startswith(("NOPERM", "NOAUTH", "WRONGPASS")) or "can't run this command" in said
    if is_refused or isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return BrokerUnavailable(
            "BROKER-032",
            f"Redis refuses this user: {said}.",
            at=at,
            fix="check user and password in the broker's URL; docs/how-to/redis.md lists what the user must be allowed",
        )
    if isinstance(error, LOST) or said.startswith(
        ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "MISCONF")
    ):
        return BrokerUnavailable(
            "BROKER-030",
            f"Redis cannot be used now: {said}.",
            at=at,
            fix="see that it runs and can be reached",
        )
    if "wrong number of args" in said.lower() or "unknown command" in said.lower():
        return BrokerError(
            "BROKER-033", f"this Redis is too old: {said}.", at=at, fix="use Redis 6.2 or newer"
        )
    return BrokerError("BROKER-034", f"Redis refused a step: {said}.", at=at)
