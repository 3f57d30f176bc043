"""The autoscaler of a worker: slots by what waits and how long it may. Celery's `worker_autoscaler` names it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from celery.worker import state
from celery.worker.autoscale import Autoscaler as CeleryAutoscaler

from celeriac.app.sounding import LOOK_EVERY_S, Looker, max_waits_s
from celeriac.events import emit
from celeriac.pools.autoscale import Bounds, QueueSight, Watch
from celeriac.pools.inhand import snapshot
from celeriac.tasks.runtime import runtime_of


class Autoscaler(CeleryAutoscaler):
    """Celery's, that follows the queues instead of what its worker has reserved.

    It acts only in the worker's own loop (or, without one, in its own thread), once a second, by the last answer of a
    looker that nobody waits for. Without an answer the slots stay as they are.
    """

    def __init__(
        self,
        pool: Any,
        max_concurrency: int,
        min_concurrency: int = 0,
        worker: Any = None,
        keepalive: float = LOOK_EVERY_S,
        mutex: Any = None,
    ) -> None:
        super().__init__(pool, max_concurrency, min_concurrency, worker, keepalive, mutex)
        queues = tuple(worker.app.amqp.queues.consume_from)
        self._looker = Looker(worker.app, queues)
        self._watch = Watch(max_waits_s(runtime_of(worker.app).plan, queues), is_shared=True)
        self._acted_on = 0.0
        self._granted = max_concurrency
        self._because = ""

    def maybe_scale(self, req: Any = None) -> None:
        """Act on what was seen last; a message that arrives changes nothing by itself."""
        if req is None:
            self._looker.start()
            self._scale()
            self._fit_prefetch()

    def update(self, max: int | None = None, min: int | None = None) -> tuple[int, int]:  # noqa: A002
        """Change the bounds, as `celery control autoscale` asks; the slots follow within seconds.

        Returns: the greatest and the least number of slots.
        """
        with self.mutex:
            self.max_concurrency = self.max_concurrency if max is None else max
            self.min_concurrency = self.min_concurrency if min is None else min
            return self.max_concurrency, self.min_concurrency

    def info(self) -> dict[str, Any]:
        """Say in `celery inspect stats` what Celery's says, and why the slots are as they are."""
        return {**super().info(), "because": self._because}

    def stop(self) -> None:
        self._looker.stop()
        super().stop()

    def _scale(self) -> None:
        seen = self._looker.latest()
        if seen is None or seen.at == self._acted_on:
            return
        self._acted_on = seen.at
        before, running = self.processes, len(state.active_requests)
        least = max(self.min_concurrency, 1)
        decision = self._watch.decide(
            Bounds(least, max(self.max_concurrency, least)),
            _by_worker(seen.sights, getattr(self.pool, "consumers", 1)),
            units=before,
            running=running,
            ended=sum(state.total_count.values()) - running,
            held=len(_held()),
            now=time.monotonic(),
        )
        self._because = decision.because
        if decision.units > before:
            self.pool.grow(decision.units - before)
        elif decision.units < before and not _is_handing_over():
            self._take(min(before - decision.units, before - running))
        if self.processes != before:
            self.pool.maintain_pool()
            emit(
                "app",
                "scale.slots",
                worker=self.worker.hostname,
                before=before,
                slots=self.processes,
                because=decision.because,
            )

    def _take(self, slots: int) -> None:
        if slots < 1:
            return
        try:
            self.pool.shrink(slots)
        except ValueError:
            return  # a process has become busy meanwhile; those that were free have gone

    def _fit_prefetch(self) -> None:
        """Hold messages for the slots there are: what this worker cannot run others may, and its age is seen."""
        consumer, slots = self.worker.consumer, self.processes
        if slots == self._granted or getattr(consumer, "qos", None) is None:
            return
        # Celery's own step after its pool has grown or shrunk.
        consumer._update_prefetch_count(slots - self._granted)
        self._granted = slots


def _by_worker(sights: Sequence[QueueSight], consumers_each: int) -> list[QueueSight]:
    """Count workers where a broker counts consumers, of which each worker on the executor `processes` has several."""
    return [
        replace(it, consumers=max(round(it.consumers / consumers_each), 1)) if it.consumers else it
        for it in sights
    ]


def _held() -> list[Any]:
    """Give the requests that wait in this worker for a slot."""
    active = set(snapshot(state.active_requests))
    return [it for it in snapshot(state.reserved_requests) if it not in active and not it.eta]


def _is_handing_over() -> bool:
    """Whether a request is on its way to a process, which then still looks free."""
    return any(it._apply_result is not None for it in _held())
