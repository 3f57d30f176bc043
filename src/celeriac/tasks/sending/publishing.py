"""The last step of a task's message before its producer: Celery's sender, the same steps in the same order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from celery import signals
from celery.app import amqp as stock
from kombu.common import Broadcast
from kombu.entity import Exchange

from celeriac import wire
from celeriac.security import guard_of
from celeriac.tasks.sending.guarded import Guarded
from celeriac.tasks.sending.prepared import Done
from celeriac.tasks.sending.producer import Producer


class Way(NamedTuple):
    """Where a message goes. declare: entities that must exist first."""

    exchange: Any
    routing_key: str | None
    queue: str | None
    declare: Any
    delivery_mode: Any


class TaskSender:
    """What `amqp.send_task_message` is.

    by_celery: Celery's own, which sends by a producer of another kind, and the callbacks of a task that has run, whose
    sending Celery retries itself.
    """

    def __init__(self, amqp: Any, by_celery: Callable[..., Any]) -> None:
        conf = amqp.app.conf
        self._amqp = amqp
        self._by_celery = by_celery
        self._queues = amqp.queues
        self._guard = guard_of(amqp.app)
        # Read once, as Celery does.
        self._retry, self._policy = conf.task_publish_retry, conf.task_publish_retry_policy
        self._delivery_mode = conf.task_default_delivery_mode
        self._serializer, self._compression = conf.task_serializer, conf.task_compression
        self._declared: list[Any] = []
        self._routing_key, self._exchange = conf.task_default_routing_key, amqp.default_exchange

    def __call__(
        self,
        producer: Any,
        name: str,
        message: Any,
        exchange: Any = None,
        routing_key: str | None = None,
        queue: Any = None,
        **said: Any,
    ) -> Any:
        """Send a message of the task `name`. said: what else Celery's sender takes; the rest are properties."""
        guard = self._guard
        if guard is not None:
            guard.conceal(name, message)
            producer = producer if isinstance(producer, Producer) else Guarded(producer, guard)
        retry = said.get("retry")
        retry = self._retry if retry is None else retry
        is_celerys = not isinstance(producer, Producer) or signals.task_sent.receivers
        if is_celerys or (retry and stock._callback_publish_retry.get()):
            return self._by_celery(producer, name, message, exchange, routing_key, queue, **said)
        headers, properties, body, sent_event = message
        way = self._way(exchange, routing_key, queue, said)
        policy = {**self._policy, **(said.pop("retry_policy", None) or {})}
        serializer = said.pop("serializer", None) or self._serializer
        compression = said.pop("compression", None) or self._compression
        timeout, confirm_timeout = said.pop("timeout", None), said.pop("confirm_timeout", None)
        dispatcher = said.pop("event_dispatcher", None)
        headers.update(said.pop("headers", None) or {})
        said.pop("retry", None)
        properties.update(said)
        if signals.before_task_publish.receivers:
            signals.before_task_publish.send(
                sender=name, body=body, exchange=way.exchange, routing_key=way.routing_key, declare=way.declare,
                headers=headers, properties=properties, retry_policy=policy,
            )  # fmt: skip
        done: Done | None = None
        # A batch of thousands keeps what it keeps for each of them.
        if sent_event or signals.after_task_publish.receivers:

            def done() -> None:
                self._tell(name, message, way, producer, dispatcher, retry=retry, retry_policy=policy)

        return producer.publish(
            body,
            exchange=way.exchange,
            routing_key=way.routing_key,
            serializer=serializer,
            compression=compression,
            retry=retry,
            retry_policy=policy,
            delivery_mode=way.delivery_mode,
            declare=way.declare,
            headers=headers,
            timeout=timeout,
            confirm_timeout=confirm_timeout,
            chord=_chord_of(body),
            done=done,
            **properties,
        )

    def _way(self, exchange: Any, routing_key: str | None, queue: Any, said: dict[str, Any]) -> Way:
        """Find where a message goes, and take what says so out of `said`."""
        name = queue
        if queue is None and exchange is None:
            queue = self._amqp.default_queue
        if isinstance(queue, str):
            name, queue = queue, self._queues[queue]
        elif queue is not None:
            name = queue.name
        own = getattr(queue, "exchange", None)
        mode, kind = said.pop("delivery_mode", None), said.pop("exchange_type", None)
        declare = said.pop("declare", None)
        if mode is None:
            mode = getattr(own, "delivery_mode", None) or self._delivery_mode
        if kind is None:
            kind = getattr(own, "type", "direct")
        if (not exchange or not routing_key) and kind == "direct":
            exchange, routing_key = "", name
        elif exchange is None:
            exchange = queue.exchange.name or self._exchange
            routing_key = routing_key or queue.routing_key or self._routing_key
        if declare is None and queue and not isinstance(queue, Broadcast):
            declare = self._declaring(queue)
        return Way(exchange, routing_key, name, declare, mode)

    def _declaring(self, queue: Any) -> list[Any]:
        """Give a list of one queue: the same for all messages of a batch, unless a receiver may change it."""
        last = self._declared
        if signals.before_task_publish.receivers or not last or last[0] is not queue:
            last = self._declared = [queue]
        return last

    def _tell(
        self, name: str, message: Any, way: Way, producer: Any, dispatcher: Any, **retrying: Any
    ) -> None:
        """Tell of a message that is on its way, by signal and event."""
        headers, _, body, event = message
        signals.after_task_publish.send(
            sender=name, body=body, headers=headers, exchange=way.exchange, routing_key=way.routing_key
        )
        if event:
            exchange = way.exchange.name if isinstance(way.exchange, Exchange) else way.exchange
            event.update(queue=way.queue, exchange=exchange, routing_key=way.routing_key)
            if wire.SENT in headers:
                event["sent_at"] = headers[wire.SENT]
            (dispatcher or self._amqp._event_dispatcher).publish("task-sent", event, producer, **retrying)


def _chord_of(body: Any) -> Any:
    """Give the body of the chord that a task is a part of, in either protocol."""
    return body[2]["chord"] if isinstance(body, tuple) else body.get("chord")
