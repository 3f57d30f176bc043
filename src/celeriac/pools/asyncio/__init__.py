"""The asyncio executor: `async def` tasks, thousands at once, on one event loop in a thread of its own.

    worker's main thread           thread "asyncio-pool"                        threads for plain functions
    consumer → apply_async ──────▶ a Job per task: an asyncio task, which
                                   steps a greenlet that runs Celery's tracer
                                   (signals, results, retries, as ever); where
                                   the tracer calls the task's coroutine, the
                                   greenlet hands what it awaits to the loop
                           plain functions ─────────────────────────────────▶ tracer, as in Celery's threads pool

The tracer's own code (results, signals, hooks) runs on the loop's thread between awaits, as short blocking calls, and
sees no running loop there; Django's sync ORM and `asyncio.run` work in it. Each greenlet has Celery's stacks
(`current_task`, `self.request`) and a context of its own, so tasks never see one another's.

A limit or a revoke raises in the coroutine at the point where it waits. Code that never awaits cannot be
interrupted, and holds up all other coroutines.
"""

from celeriac.pools.asyncio.pool import TaskPool

__all__ = ["TaskPool"]
