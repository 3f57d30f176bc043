"""Result backends: where the outcome of a task is kept until its caller has read it.

Celery calls in through its result backend interface, found by the scheme of `result_backend`; values and
chord parts flow in, values and chord bodies flow out. When a store cannot be used, the coded error reaches
the worker before the task's message is acked, so the work is handed on and not lost.
"""

from __future__ import annotations

from celeriac.backends import postgres, redis

#: scheme → the backend, as Celery's loaders name one; that of sqlite:// is an entry point of the package
BACKENDS = {**redis.BACKENDS, **postgres.BACKENDS}
