"""The queues of the SQS broker and what is sent to them: kombu's channel, with its errors told and its delays kept."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from kombu.transport.SQS import Channel as KombuChannel
from kombu.transport.virtual.exchange import TopicExchange

from celeriac.errors import BrokerError
from celeriac.transports.sqs.delays import delay_of
from celeriac.transports.sqs.trouble import FAILURES, explained, is_missing

#: where workers' task events wait for the recorder, since SQS has no topics of its own
EVENTS_QUEUE = "celeriac.events"
_EVENTS_EXCHANGE = "celeryev"
_EVENTS = "task.#"
#: how long SQS keeps events that nobody records, seconds
_EVENTS_KEPT_S = 3600
#: how the queues end by which Celery's remote control asks and is answered
_MAILBOX = "celery.pidbox"
#: how those begin by which `celery events` and Flower listen
_EVENT_QUEUES = "celeryev."
_COUNTED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


#: unless the transport option `client-config` says otherwise; botocore's own waits a minute, five times. An answer that
#: is waited for longer than a lease would bring messages that others have got by then.
_CLIENT = Config(
    connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2}, max_pool_connections=50
)
#: transport options, seconds, as py-amqp calls them too
_BOUNDS = ("connect_timeout", "read_timeout")


class QueueChannel(KombuChannel):
    """What a channel that only sends does; beyond AMQP it has `counts(queue)` and `events_queue`."""

    events_queue = EVENTS_QUEUE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except FAILURES as error:
            raise explained(error, "sqs") from error

    def _new_queue(self, queue: str, **kwargs: Any) -> str:
        if queue.endswith(_MAILBOX) or queue.startswith(_EVENT_QUEUES):
            raise BrokerError(
                "BROKER-067",
                "workers on SQS can be asked and told nothing: it has no broadcasts.",
                at="sqs",
                fix="see `celeriac status` for the workers of this host, and stop them by `celeriac drain`",
            )
        try:
            return str(super()._new_queue(queue, **kwargs))
        except FAILURES as error:
            raise explained(error, queue) from error

    def _new_boto_client(self, service: Any, *who: Any, config: Config | None = None, **whom: Any) -> Any:
        options = self.transport_options
        asked = _CLIENT
        if bounds := {name: options[name] for name in _BOUNDS if name in options}:
            # Who bounds a call tries again by himself.
            asked = asked.merge(Config(**bounds, retries={"total_max_attempts": 1}))
        asked = asked.merge(Config(**(options.get("client-config") or {})))
        whom["config"] = asked.merge(config) if config else asked
        return super()._new_boto_client(service, *who, **whom)

    def _create_queue(self, queue_name: str, attributes: dict[str, str]) -> Any:
        if queue_name == self.canonical_queue_name(EVENTS_QUEUE):
            attributes["MessageRetentionPeriod"] = str(_EVENTS_KEPT_S)
        return super()._create_queue(queue_name, attributes)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        """Ask SQS; kombu says yes, and makes the queue when it is counted."""
        name = self.canonical_queue_name(queue)
        if self.predefined_queues:
            return name in self.predefined_queues
        try:
            self._queue_cache[name] = self.sqs().get_queue_url(QueueName=name)["QueueUrl"]
        except FAILURES as error:
            if not is_missing(error):
                raise explained(error, queue) from error
            self._queue_cache.pop(name, None)
            return False
        return True

    def counts(self, queue: str) -> tuple[int, int, int]:
        """Count a queue's messages as SQS tells them, which is about right: ready, delayed, held by somebody.

        Of a queue that is not there: none. Raises: BrokerError if SQS refuses, or cannot be reached.
        """
        if not self._has_queue(queue):
            return 0, 0, 0
        url = self._resolve_queue_url(queue)
        try:
            client = self.sqs(queue=self.canonical_queue_name(queue))
            told = client.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTED))["Attributes"]
        except FAILURES as error:
            raise explained(error, queue) from error
        ready, delayed, held = (int(told[name]) for name in _COUNTED)
        return ready, delayed, held

    def _size(self, queue: str) -> int:
        return self.counts(queue)[0]

    def get_table(self, exchange: str) -> list[Any]:
        """Give an exchange's bindings; where runs are recorded, task events go to the recorder's queue."""
        table = list(super().get_table(exchange))
        if exchange == _EVENTS_EXCHANGE and self.transport_options.get("keeps_events"):
            table.append(TopicExchange(self).prepare_bind(EVENTS_QUEUE, exchange, _EVENTS, None))
        return table

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        # FIFO queues take no delay of a message.
        delay_s = None if queue.endswith(".fifo") else delay_of(message.get("headers") or {})
        if delay_s is not None:
            message["properties"].setdefault("delay_seconds", delay_s)
        try:
            super()._put(queue, message, **kwargs)
        except FAILURES as error:
            if is_missing(error):
                # Somebody has deleted it: the next try makes it anew.
                self._queue_cache.pop(self.canonical_queue_name(queue), None)
            raise explained(error, queue) from error
