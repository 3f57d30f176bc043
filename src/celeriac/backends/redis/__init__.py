"""Results on Redis, in stock Celery's own keys: `redis://`, `rediss://`, `redis+socket://`, `sentinel://`.

What flows in is a task's state and value, gathered while the process runs tasks itself and written in one step before
their messages are acked; what flows out is what callers wait for, woken by pub/sub. Stock Celery reads what is stored
here, and this backend reads what stock has stored. When the server cannot be used, a coded ResultsError says so before
the ack.
"""

from __future__ import annotations

#: scheme → the backend, as Celery's loaders name one
BACKENDS = {
    "redis": "celeriac.backends.redis.backend:RedisBackend",
    "rediss": "celeriac.backends.redis.backend:RedisBackend",
    "sentinel": "celeriac.backends.redis.backend:SentinelBackend",
}
