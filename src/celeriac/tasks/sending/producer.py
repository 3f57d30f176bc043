"""The producer that an app's pool gives out: it prepares as kombu does, and sends one message or a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import Any

from kombu.entity import Exchange, maybe_delivery_mode

from celeriac.security import Guard
from celeriac.tasks.sending.delivering import DeliveringProducer, Trouble
from celeriac.tasks.sending.guarded import closes
from celeriac.tasks.sending.prepared import Done, Prepared
from celeriac.tasks.sending.steps import steps

#: the producer that collects what the running code sends
COLLECTING: ContextVar[Producer | None] = ContextVar("celeriac-collecting", default=None)
#: shared by all usual messages: a batch of thousands keeps one for each
_USUAL: dict[str, Any] = {"mandatory": False, "immediate": False}


class Producer(DeliveringProducer):
    """kombu's producer, with a channel of its own for as long as it lives.

    What `publish` is given leaves as kombu would send it, byte for byte.
    pool: the one it came from.
    Raises, where kombu does: NotSent, which is an OperationalError; QueueFull.
    """

    pool: Any = None

    def __init__(
        self,
        connection: Any,
        deadline_s: float,
        trouble: Trouble,
        blocking: Collection[str] = (),
        guard: Guard | None = None,
    ) -> None:
        super().__init__(connection, deadline_s, trouble, blocking)
        self._guard = guard
        self._collected: list[Prepared] | None = None
        self._told: list[Prepared] | None = None
        self._open_batch: Any = None
        self._joined = 0
        self._collector = 0
        own: Any = self.exchange
        self._default_mode = own.delivery_mode

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
        reply_to = properties.get("reply_to")
        if reply_to is not None and not isinstance(reply_to, str):
            properties["reply_to"] = reply_to.name
        if self._guard is not None and closes(body, headers):
            body, content_type, content_encoding, compression = self._guard.close(
                body,
                headers,
                properties,
                serializer=serializer or self.serializer,
                content_type=content_type,
                content_encoding=content_encoding,
                compression=compression,
            )
        body, content_type, content_encoding = self._prepare(
            body, serializer, content_type, content_encoding, compression, headers
        )
        arguments: dict[str, Any] = _USUAL
        if mandatory or immediate:
            arguments = {"mandatory": mandatory, "immediate": immediate}
        if timeout is not None or confirm_timeout is not None:
            arguments = {**arguments, "timeout": timeout, "confirm_timeout": confirm_timeout}
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
        self.deliver_steps([[prepared]], retry, retry_policy or {})
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
        self.deliver_steps(steps(collected), True, policy or {})
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
            self.deliver_steps(steps(told), True, policy or {})

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
