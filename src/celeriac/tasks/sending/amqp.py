"""An app's AMQP class: it gives out producers of ours, and prepares task messages as Celery's does, with less work."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.app import amqp as stock
from kombu.common import Broadcast
from kombu.connection import ConnectionPool
from kombu.entity import Exchange
from kombu.utils.objects import cached_property

from celeriac.plan import Plan
from celeriac.tasks.runtime import queues_of, sending_of
from celeriac.tasks.sending.draining import Drainer
from celeriac.tasks.sending.outage import Outage
from celeriac.tasks.sending.patience import bounded, takes_once
from celeriac.tasks.sending.pool import Producers
from celeriac.tasks.sending.producer import Producer
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
        connections = ConnectionPool(connection, limit)
        blocking = {name for name, when_full in queues_of(app).items() if when_full == "block"}
        return Producers(connections, limit, deadline_s, outage, blocking)

    def Router(self, queues: Any = None, create_missing: bool | None = None) -> Router:  # noqa: N802 - Celery's name
        """Make a router as Celery does, of our class."""
        may_create = self.app.either("task_create_missing_queues", create_missing)
        return Router(self.routes, queues or self.queues, may_create, app=self.app)

    @cached_property
    def short_way(self) -> ShortWay:
        """The short way of plain calls of this app's tasks."""
        return ShortWay(self.app)

    @cached_property
    def create_task_message(self) -> Callable[..., Any]:
        by_celery = super().create_task_message
        return with_short_reprs(by_celery) if by_celery == self.as_task_v2 else by_celery

    @cached_property
    def send_task_message(self) -> Callable[..., Any]:
        by_celery = self._create_task_sender()
        return _lean_sender(self, by_celery)


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


def _lean_sender(amqp: AMQP, by_celery: Callable[..., Any]) -> Callable[..., Any]:
    """Make what sends a task's message; the same steps as Celery's, in the same order."""
    conf = amqp.app.conf
    default_retry = conf.task_publish_retry
    default_policy = conf.task_publish_retry_policy
    default_delivery_mode = conf.task_default_delivery_mode
    default_serializer, default_compression = conf.task_serializer, conf.task_compression
    default_rkey, default_exchange = conf.task_default_routing_key, amqp.default_exchange
    queues = amqp.queues
    listeners = signals.after_task_publish
    before, after = signals.before_task_publish.send, listeners.send

    def send(
        producer: Any,
        name: str,
        message: Any,
        exchange: Any = None,
        routing_key: str | None = None,
        queue: Any = None,
        event_dispatcher: Any = None,
        retry: bool | None = None,
        retry_policy: dict[str, Any] | None = None,
        serializer: str | None = None,
        delivery_mode: Any = None,
        compression: str | None = None,
        declare: Any = None,
        headers: dict[str, Any] | None = None,
        exchange_type: str | None = None,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        retry = default_retry if retry is None else retry
        is_stocks = not isinstance(producer, Producer) or signals.task_sent.receivers
        if is_stocks or (retry and stock._callback_publish_retry.get()):
            return by_celery(
                producer, name, message, exchange=exchange, routing_key=routing_key, queue=queue,
                event_dispatcher=event_dispatcher, retry=retry, retry_policy=retry_policy,
                serializer=serializer, delivery_mode=delivery_mode, compression=compression,
                declare=declare, headers=headers, exchange_type=exchange_type, timeout=timeout,
                confirm_timeout=confirm_timeout, **kwargs,
            )  # fmt: skip
        all_headers, properties, body, sent_event = message
        if headers:
            all_headers.update(headers)
        if kwargs:
            properties.update(kwargs)
        queue_name = queue
        if queue is None and exchange is None:
            queue = amqp.default_queue
        if queue is not None:
            if isinstance(queue, str):
                queue_name, queue = queue, queues[queue]
            else:
                queue_name = queue.name
        own_exchange = getattr(queue, "exchange", None)
        if delivery_mode is None:
            delivery_mode = getattr(own_exchange, "delivery_mode", None) or default_delivery_mode
        if exchange_type is None:
            exchange_type = getattr(own_exchange, "type", "direct")
        if (not exchange or not routing_key) and exchange_type == "direct":
            exchange, routing_key = "", queue_name
        elif exchange is None:
            exchange = queue.exchange.name or default_exchange
            routing_key = routing_key or queue.routing_key or default_rkey
        if declare is None and queue and not isinstance(queue, Broadcast):
            declare = [queue]
        policy = {**default_policy, **retry_policy} if retry_policy else dict(default_policy)
        before(
            sender=name, body=body, exchange=exchange, routing_key=routing_key, declare=declare,
            headers=all_headers, properties=properties, retry_policy=policy,
        )  # fmt: skip

        def done() -> None:
            after(sender=name, body=body, headers=all_headers, exchange=exchange, routing_key=routing_key)
            if sent_event:
                sent_event.update(
                    queue=queue_name,
                    exchange=exchange.name if isinstance(exchange, Exchange) else exchange,
                    routing_key=routing_key,
                )
                dispatcher = event_dispatcher or amqp._event_dispatcher
                dispatcher.publish("task-sent", sent_event, producer, retry=retry, retry_policy=policy)

        return producer.publish(
            body,
            exchange=exchange,
            routing_key=routing_key,
            serializer=serializer or default_serializer,
            compression=compression or default_compression,
            retry=retry,
            retry_policy=policy,
            delivery_mode=delivery_mode,
            declare=declare,
            headers=all_headers,
            timeout=timeout,
            confirm_timeout=confirm_timeout,
            chord=_chord_of(body),
            # A batch of thousands keeps what it keeps for each of them.
            done=done if sent_event or listeners.receivers else None,
            **properties,
        )

    return send


def _chord_of(body: Any) -> Any:
    """Give the body of the chord that a task is a part of, in either protocol."""
    return body[2]["chord"] if isinstance(body, tuple) else body.get("chord")
