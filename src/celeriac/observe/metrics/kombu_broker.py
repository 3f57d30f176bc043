"""Looking at the queues of RabbitMQ, SQS and a stock Redis through kombu, without consuming from them."""

from __future__ import annotations

import json
import time
from typing import Any

from celery import Celery
from kombu.exceptions import ChannelError

from celeriac import wire
from celeriac.observe.metrics.sources import BrokerReading, QueueReading

#: AMQP's reply to a passive declaration of what is not there
_NOT_FOUND = "404"
#: no broker may keep a scrape waiting; seconds
_PATIENCE_S = 2.0


class KombuBroker:
    """A BrokerSource over a kept connection, for use by one thread.

    Ready messages and consumers are asked for by passive declaration. On Redis that sums the lists of all priorities;
    the oldest age comes from the ends of these lists, and unacked messages are counted for all queues together, with
    delayed ones among them: stock Redis keeps both there. RabbitMQ tells a client neither. SQS counts ready, delayed
    and held ones of each queue, and knows no consumers.
    """

    def __init__(self, app: Celery) -> None:
        self._app: Any = app
        self._connection: Any = None

    def __call__(self) -> BrokerReading:
        """Look at the app's queues and its letters queue now.

        Raises: the transport's errors; the next call connects anew.
        """
        if self._connection is None:
            self._connection = self._app.connection_for_read(connect_timeout=_PATIENCE_S)
        try:
            self._connection.ensure_connection(max_retries=0, timeout=_PATIENCE_S)
            return self._read()
        except Exception:
            connection, self._connection = self._connection, None
            connection.collect(_PATIENCE_S)
            raise

    def _read(self) -> BrokerReading:
        plan = self._app.celeriac.plan
        names = dict.fromkeys([*self._app.amqp.queues, plan.letters.queue])
        is_redis = self._connection.transport.driver_type == "redis"
        queues = []
        for name in names:
            # A channel of its own for each: RabbitMQ closes it when the queue is not there.
            with self._connection.channel() as channel:
                if hasattr(channel, "counts"):
                    queues.append(_counted(channel, name))
                    continue
                ready, consumers = _declared(channel, name)
                oldest = _oldest_age_s(channel, name) if is_redis else None
                queues.append(
                    QueueReading(
                        name=name, ready=ready, oldest_age_s=oldest, consumers=None if is_redis else consumers
                    )
                )
        unacked = None
        if is_redis:
            with self._connection.channel() as channel:
                unacked = int(channel.client.zcard(channel.unacked_index_key))
        return BrokerReading(queues=queues, unacked=unacked)


def _counted(channel: Any, queue: str) -> QueueReading:
    ready, delayed, held = channel.counts(queue)
    return QueueReading(name=queue, ready=ready, delayed=delayed, unacked=held, consumers=None)


def _declared(channel: Any, queue: str) -> tuple[int, int]:
    """Ask for ready messages and consumers; a queue that is not there yet is empty."""
    try:
        found = channel.queue_declare(queue=queue, passive=True)
    except ChannelError as error:
        # A number on RabbitMQ, text on Redis.
        if str(error.reply_code) != _NOT_FOUND:
            raise
        return 0, 0
    return int(found.message_count), int(found.consumer_count)


def _oldest_age_s(channel: Any, queue: str) -> float:
    """Say how long the oldest message of all priorities has waited, as its sender has stamped it; 0.0 if none does."""
    now = time.time()
    ages = [0.0]
    for step in channel.priority_steps:
        # kombu pushes on the left and pops on the right.
        raw = channel.client.lindex(channel._q_for_pri(queue, step), -1)
        sent = _sent_at(raw) if raw else None
        if sent is not None:
            ages.append(now - sent)
    return max(ages)


def _sent_at(raw: bytes | str) -> float | None:
    try:
        sent = json.loads(raw)["headers"][wire.SENT]
    except (ValueError, KeyError, TypeError):
        return None
    return float(sent) if isinstance(sent, int | float) else None
