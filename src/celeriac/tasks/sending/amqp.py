"""An app's AMQP class: it gives out producers of ours, and prepares task messages as Celery's does, with less work."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import cached_property  # kombu's is ten times slower to read, which is done for each task
from typing import Any

from celery import signals
from celery.app import amqp as stock
from celery.app import routes as stock_routes
from kombu.connection import ConnectionPool

from celeriac.plan import Plan
from celeriac.security import guard_of
from celeriac.tasks.results import Results
from celeriac.tasks.runtime import queues_of, sending_of
from celeriac.tasks.sending.draining import Drainer
from celeriac.tasks.sending.outage import Outage
from celeriac.tasks.sending.patience import bounded, takes_once
from celeriac.tasks.sending.pool import Producers
from celeriac.tasks.sending.publishing import TaskSender
from celeriac.tasks.sending.reprs import with_short_reprs
from celeriac.tasks.sending.routing import Router
from celeriac.tasks.sending.short import ShortWay
from celeriac.tasks.sending.spool import Spool


class AMQP(stock.AMQP):
    """Celery's own, whose pool and sender are ours.

    A producer of another kind, and the callbacks of a task that has run (whose sending Celery retries itself), take
    Celery's way.
    """

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self._making = threading.Lock()

    @property
    def producer_pool(self) -> Producers:
        pool = self._producer_pool
        if pool is None or pool.is_of_the_parent:
            with self._making:
                pool = self._producer_pool
                if pool is None or pool.is_of_the_parent:
                    pool = self._producer_pool = self._new_pool()
        return pool

    publisher_pool = producer_pool

    def _new_pool(self) -> Producers:
        app = self.app
        sending = sending_of(app)
        deadline_s = sending.deadline.total_seconds()
        limit = app.conf.broker_pool_limit
        runtime = getattr(app, "celeriac", None)
        spool = spool_at(runtime.plan) if runtime is not None else None
        connection = bounded(app, deadline_s)
        outage = Outage(app, spool, takes_once(connection))
        if spool is not None:
            Drainer(app, spool, outage.is_back)
        connections = ConnectionPool(connection)
        blocking = {name for name, when_full in queues_of(app).items() if when_full == "block"}
        return Producers(connections, limit, deadline_s, outage, blocking, guard_of(app))

    def Router(self, queues: Any = None, create_missing: bool | None = None) -> Router:  # noqa: N802 - Celery's name
        """Make a router as Celery does, of our class."""
        may_create = self.app.either("task_create_missing_queues", create_missing)
        return Router(self.routes, queues or self.queues, may_create, app=self.app)

    @cached_property
    def router(self) -> stock_routes.Router:
        return self.Router()

    @cached_property
    def short_way(self) -> ShortWay:
        """The short way of plain calls of this app's tasks."""
        return ShortWay(self.app)

    @cached_property
    def results(self) -> Results:
        """The class of this app's results."""
        return Results(self.app)

    @cached_property
    def create_task_message(self) -> Callable[..., Any]:
        by_celery = super().create_task_message
        return with_short_reprs(by_celery) if by_celery == self.as_task_v2 else by_celery

    @cached_property
    def send_task_message(self) -> Callable[..., Any]:
        return TaskSender(self, self._create_task_sender())


def spool_at(plan: Plan) -> Spool | None:
    """Give the spool of a plan on this host; None if it has none."""
    said = plan.sending.spool
    return None if said is None else Spool((plan.folder / said.path).absolute(), said.max_size)


def drain_in_workers(app: Any) -> None:
    """Have the app's workers send on what senders on their host have kept, also those that have ended since."""

    # Weakly: the signal must not keep an app that nobody uses any more.
    weakly = weakref.ref(app)

    def begin(**_: Any) -> None:
        app = weakly()
        if app is not None:
            # The pool's thread looks after the spool.
            _ = app.amqp.producer_pool

    signals.worker_ready.connect(begin, weak=False)
