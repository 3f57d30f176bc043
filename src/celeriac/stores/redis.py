"""Redis clients from URLs, each call bounded in time and made once."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

from celeriac.errors import CoordinationError
from celeriac.stores.schemes import REDIS_SCHEMES

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

_CERT_REQS = re.compile(r"(?<=ssl_cert_reqs=)CERT_(NONE|OPTIONAL|REQUIRED)")
#: how long a server may take to accept a connection, and to answer
CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 3.0


def open_redis(url: str) -> Redis:
    """Give a client on `url`; no connection is made yet. It answers in bytes.

    url: "redis://[user:password@]host[:port][/database]", the same with rediss for TLS, or "unix://path".
    Raises: CoordinationError for another scheme, what cannot be read, or without the redis package.
    """
    if importlib.util.find_spec("redis") is None:
        raise CoordinationError(
            "COORD-001",
            "a redis:// URL needs the package redis, which is not installed.",
            fix="pip install 'celeriac[redis]'",
        )
    from redis import Redis  # noqa: PLC0415 - an extra
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    try:
        return Redis.from_url(
            # kombu writes Python's name of the constant.
            _CERT_REQS.sub(lambda found: found[1].lower(), url),
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=ANSWER_TIMEOUT_S,
            # A call whose reply was lost may have been done: repeating it is for those who know what it does.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise CoordinationError(
            "COORD-002",
            f'"{url}" is not the URL of a Redis: {error}.',
            known=[f"{scheme}://" for scheme in REDIS_SCHEMES],
            fix="write it like redis://user:password@host:6379/0",
        ) from error


def load_script(client: Redis, text: str) -> Script:
    """Give a Lua script as a function of keys and args; the server is taught it when it does not know it."""
    register: Any = client.register_script
    script: Script = register(text)
    return script
