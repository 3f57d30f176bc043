"""The producer that an app's pool gives out: it keeps its channel, and sends one message or a batch by a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import Any, Protocol

from kombu import messaging
from kombu.entity import Exchange, maybe_delivery_mode
from kombu.exceptions import OperationalError

from celeriac.errors import QueueFull
from celeriac.tasks.sending.confirms import Refused
from celeriac.tasks.sending.prepared import Done, Prepared
from celeriac.tasks.sending.steps import send_step, steps

#: between two tries, at least; kombu's own policy begins with none, which makes a refusing server busy
_PAUSE_S = 0.05


#: the producer that collects what the running code sends
COLLECTING: ContextVar[Producer | None] = ContextVar("celeriac-collecting", default=None)


class Trouble(Protocol):
    """What becomes of messages that the broker does not take."""

    def passes_by(self, messages: Sequence[Prepared]) -> bool:
        """Say whether these are taken care of without asking the broker, which was away a moment ago."""
        ...

    def give_up(
        self,
        error: Exception,
        *,
        sent: Sequence[Prepared],
        left: Sequence[Sequence[Prepared]],
        in_doubt: bool,
    ) -> None:
        """Take care of what was not sent, or raise.

        sent: what the broker has taken. left: the steps it has not, the first of them perhaps in doubt.
        """
        ...

    def refused(
        self, error: Exception, step: Sequence[Prepared], queue: str, *, sent: Sequence[Prepared]
    ) -> list[Prepared]:
        """Take care of what goes to a full queue and give the others, or raise."""
        ...


class Producer(messaging.Producer):
    """kombu's producer, with a channel of its own for as long as it lives.

    What `publish` is given leaves as kombu would send it, byte for byte.
    pool: the one it came from.
    Raises, where kombu does: NotSent, which is an OperationalError; QueueFull.
    """

    pool: Any = None

    def __init__(
        self, connection: Any, deadline_s: float, trouble: Trouble, blocking: Collection[str] = ()
    ) -> None:
        super().__init__(connection, auto_declare=True)
        self._deadline_s = deadline_s
        self._trouble = trouble
        self._blocking = blocking
        self._collected: list[Prepared] | None = None
        self._told: list[Prepared] | None = None
        self._open_batch: Any = None
        self._joined = 0
        self._collector = 0
        client = self.connection
        # A file is written, or it is not.
        self._can_be_in_doubt = client.get_transport_cls().driver_type != "sqlite"
        own: Any = self.exchange
        self._default_mode = own.delivery_mode
        self._failures: tuple[type[Exception], ...] = (
            OperationalError,
            *client.recoverable_connection_errors,
            *client.recoverable_channel_errors,
        )

    def publish(
        self,
        body: Any,
        routing_key: str | None = None,
        delivery_mode: Any = None,
        mandatory: bool = False,
        immediate: bool = False,
        priority: int = 0,
        content_type: str | None = None,
        content_encoding: str | None = None,
        serializer: str | None = None,
        headers: dict[str, Any] | None = None,
        compression: str | None = None,
        exchange: Any = None,
        retry: bool = False,
        retry_policy: dict[str, Any] | None = None,
        declare: Any = None,
        expiration: float | None = None,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        chord: Any = None,
        done: Done | None = None,
        **properties: Any,
    ) -> None:
        """Send a message, as kombu's own method does.

        chord: the body of the chord it is a part of. done: called once the message was taken, in a batch after the
        whole batch was.
        """
        headers = {} if headers is None else headers
        declare = [] if declare is None else declare
        exchange = exchange or self.exchange
        if isinstance(exchange, Exchange):
            name, mode = exchange.name, maybe_delivery_mode(delivery_mode or exchange.delivery_mode)
        else:
            name, mode = exchange, maybe_delivery_mode(delivery_mode or self._default_mode)
        properties["delivery_mode"] = mode
        if expiration is not None:
            properties["expiration"] = str(int(expiration * 1000))
        compression = self.compression if compression is None else compression
        body, content_type, content_encoding = self._prepare(
            body, serializer, content_type, content_encoding, compression, headers
        )
        reply_to = properties.get("reply_to")
        if reply_to is not None and not isinstance(reply_to, str):
            properties["reply_to"] = reply_to.name
        arguments: dict[str, Any] = {"mandatory": mandatory, "immediate": immediate}
        if timeout is not None or confirm_timeout is not None:
            arguments |= {"timeout": timeout, "confirm_timeout": confirm_timeout}
        prepared = Prepared(
            body,
            priority,
            content_type,
            content_encoding,
            headers,
            properties,
            name,
            self.routing_key if routing_key is None else routing_key,
            declare,
            arguments,
            chord,
            done,
        )
        # A command that somebody waits for, inside a batch, must not wait for its end.
        collected = self._collected if prepared.is_task else self._told
        if collected is not None:
            collected.append(prepared)
            return
        self._deliver([[prepared]], retry, retry_policy or {})
        if done is not None:
            done()

    @contextmanager
    def collecting(self, policy: dict[str, Any] | None = None) -> Iterator[None]:
        """Send the tasks that are published in the block when it ends, in as few steps as the broker allows.

        Who asks the pool for a producer in the block gets this one: a chain or chord in a group does.
        What raises in the block is raised on, and nothing of it is sent. Blocks within each other are one.
        Raises, at the end: PartlySent, NotSent, QueueFull.
        """
        if self._collected is not None:
            yield
            return
        self._collected, self._collector = [], get_ident()
        before = COLLECTING.get()
        COLLECTING.set(self)
        try:
            yield
            collected = self._collected
        finally:
            COLLECTING.set(before)
            self._collected = None
        if not collected:
            return
        self._deliver(steps(collected), True, policy or {})
        self._told = []
        try:
            for each in collected:
                if each.done is not None:
                    each.done()
            told = self._told
        finally:
            self._told = None
        if told:
            # Events of what was sent leave together, too.
            self._deliver(steps(told), True, policy or {})

    @property
    def collects_here(self) -> bool:
        """Say whether it collects what this thread sends; a coroutine may remember a batch that is over."""
        return self._collected is not None and self._collector == get_ident()

    def begin_collecting(self) -> None:
        """Collect until `__exit__`, which sends what was collected unless the block failed."""
        self._open_batch = self.collecting()
        self._open_batch.__enter__()

    def joined(self) -> Producer:
        """Give this producer once more, to be used and released within the block that collects."""
        self._joined += 1
        return self

    def __exit__(self, exc_type: Any, exc: Any, traceback: Any) -> None:
        if self._joined:
            self._joined -= 1
            return
        batch, self._open_batch = self._open_batch, None
        try:
            if batch is not None:
                batch.__exit__(exc_type, exc, traceback)
        finally:
            self.release()

    # Delivering.

    def deliver(self, step: Sequence[Prepared]) -> None:
        """Send messages in one step, tried once."""
        self._deliver([list(step)], False, {})

    def _deliver(self, waiting: list[list[Prepared]], retry: bool, policy: dict[str, Any]) -> None:
        """Send step by step; each step is taken whole, where the broker can."""
        trouble = self._trouble
        sent: list[Prepared] = []
        give_up_at, tries, in_doubt = 0.0, 0, False
        while waiting:
            step = waiting[0]
            if not in_doubt and trouble.passes_by(step):
                waiting.pop(0)
                continue
            began = time.monotonic()
            give_up_at = give_up_at or began + self._deadline_s
            is_sending = False
            try:
                channel = self.channel
                is_sending = True
                send_step(channel, step, self._declare)
            except Refused as refused:
                places = set(refused.places)
                sent += [each for place, each in enumerate(step) if place not in places]
                waiting[0] = [step[place] for place in refused.places]
                if self._blocks(waiting[0]) and time.monotonic() < give_up_at:
                    time.sleep(_PAUSE_S)
                    continue
                full = _said(refused, waiting[0][0].queue)
                waiting[0] = trouble.refused(full, waiting[0], "", sent=sent)
            except QueueFull as full:
                waiting[0] = trouble.refused(full, step, full.queue, sent=sent)
            except self._failures as error:
                tries += 1
                in_doubt = in_doubt or (is_sending and self._can_be_in_doubt)
                self._forget_channel()
                if not retry or self._is_over(tries, began, give_up_at, policy):
                    trouble.give_up(error, sent=sent, left=waiting, in_doubt=in_doubt)
                    return
                self.connection.maybe_switch_next()
                time.sleep(_pause_s(tries, policy))
                continue
            except Exception as error:
                if not sent:
                    raise
                trouble.give_up(error, sent=sent, left=waiting, in_doubt=in_doubt)
                return
            else:
                sent += step
                waiting[0] = []
            if not waiting[0]:
                waiting.pop(0)
                give_up_at, in_doubt = 0.0, False

    def _blocks(self, messages: Sequence[Prepared]) -> bool:
        # What follows from accepted work is never refused for want of room: it waits.
        return all(each.queue in self._blocking or each.headers.get("retries") for each in messages)

    def _is_over(self, tries: int, began: float, give_up_at: float, policy: dict[str, Any]) -> bool:
        most = policy.get("max_retries")
        if most is not None and tries > most:
            return True
        # A further try may take as long as the last one did.
        now = time.monotonic()
        return now + _pause_s(tries, policy) + (now - began) > give_up_at

    def _declare(self, channel: Any, entity: Any) -> None:
        declared = channel.connection.client.declared_entities
        if not (entity.can_cache_declaration and hash(entity) in declared):
            self.maybe_declare(entity)

    def _forget_channel(self) -> None:
        """Let go of a connection that has failed, without the farewell that a frozen broker would not answer."""
        connection = self.connection
        connection.collect(socket_timeout=0.1)
        self.revive(connection)


def _said(refused: Refused, queue: str) -> QueueFull:
    return QueueFull(
        "SEND-005",
        f'queue "{queue}" is full: the broker refused {len(refused.places)} messages. They were not sent.',
        queue=queue,
        fix="send again later, start more workers, or raise max_length",
    )


def _pause_s(tries: int, policy: dict[str, Any]) -> float:
    start, step, most = (
        policy.get(name, default)
        for name, default in (("interval_start", 0), ("interval_step", 0.2), ("interval_max", 1))
    )
    return max(min(start + step * (tries - 1), most), _PAUSE_S) * random.uniform(0.8, 1.0)  # noqa: S311
