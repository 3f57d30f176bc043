"""How Sentinels are asked who leads: each once and within a deadline, for there is another to ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

#: how long one may take to accept a connection, and to answer; seconds
DEADLINE_S = 2.0


def asked_once(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the arguments of a connection to a Sentinel; what the team has `given` (a user, TLS) wins.

    redis-py's own three tries, and no deadline, would make each connection wait for a Sentinel that is down.
    """
    return {
        "socket_timeout": DEADLINE_S,
        "socket_connect_timeout": DEADLINE_S,
        "retry": Retry(NoBackoff(), 0),
        **(given or {}),
    }
