"""Sending on what the spool holds: in order, by one process at a time, once the broker is back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from celeriac import wire
from celeriac.errors import QueueFull, redacted
from celeriac.events import emit
from celeriac.tasks.runtime import sending_of
from celeriac.tasks.sending.confirms import Refused
from celeriac.tasks.sending.patience import bounded, takes_once
from celeriac.tasks.sending.prepared import Prepared
from celeriac.tasks.sending.producer import Producer
from celeriac.tasks.sending.records import Unreadable, read
from celeriac.tasks.sending.spool import Kept, Spool

#: how often a process looks whether there is something to drain, seconds
_EVERY_S = 1.0
#: records that are sent in one step
_AT_ONCE = 200
#: how long a full queue is waited for: the other queues are waiting too
_ROOM_S = 0.2


class Send:
    """Sends messages for a drainer. takes_once: by a broker of ours."""

    def __init__(self, producer: Producer, takes_once: bool) -> None:
        self._producer = producer
        self.takes_once = takes_once

    def __call__(self, step: Sequence[Prepared]) -> None:
        """Send in one step. Raises: Away, QueueFull; whatever the broker has against it."""
        if not self.takes_once:
            for message in step:
                message.headers.pop(wire.ONCE, None)
        self._producer.deliver(step)


class Away(Exception):
    """The broker does not answer."""


def drain(spool: Spool, send: Send) -> int:
    """Send what waits, in order, and say how many tasks were; 0 also if another process is at it.

    send: sends messages in one step. A queue that is full holds up its own tasks only; what can never be sent is set
    aside.
    Raises: Away; then the rest waits on.
    """
    drained = 0
    with spool.draining() as is_mine:
        full: set[str] = set()
        last = 0
        while is_mine and (records := spool.waiting(last, _AT_ONCE)):
            last = records[-1].number
            drained += _drain_some(spool, send, records, full)
    return drained


def _drain_some(spool: Spool, send: Send, records: Sequence[Kept], full: set[str]) -> int:
    readable: list[tuple[Kept, list[Prepared]]] = []
    for record in records:
        try:
            readable.append((record, read(record.payload)))
        except Unreadable as unreadable:
            _set_aside(spool, record, str(unreadable))
    # What is in doubt at the broker is known there by the step it was in, and must go alone.
    together = [(record, step) for record, step in readable if not _is_in_doubt(step)]
    # RabbitMQ may take a part of a step, which would then be sent twice.
    if send.takes_once and len(together) == len(readable) and not full:
        with suppress(_Mixed):
            _send_together(send, [message for _, step in together for message in step])
            spool.remove([record.number for record, _ in together])
            return sum(record.tasks for record, _ in together)
    return sum(_drain_one(spool, send, record, step, full) for record, step in readable)


class _Mixed(Exception):
    """Not all can be sent: each is to be tried alone."""


def _send_together(send: Send, messages: Sequence[Prepared]) -> None:
    try:
        send(messages)
    except Away:
        raise
    except Exception as error:  # whatever the broker has against one of them
        raise _Mixed from error


def _drain_one(spool: Spool, send: Send, record: Kept, step: list[Prepared], full: set[str]) -> int:
    queues = {message.queue for message in step}
    if queues & full:
        return 0
    try:
        send(step)
    except (QueueFull, Refused):
        full |= queues
        return 0
    except Away:
        raise
    except Exception as error:  # whatever the broker has against it, the others go on
        _set_aside(spool, record, repr(error))
        return 0
    spool.remove([record.number])
    return record.tasks


def _is_in_doubt(step: Sequence[Prepared]) -> bool:
    return any("celeriac-attempt" in message.properties for message in step)


def _set_aside(spool: Spool, record: Kept, why: str) -> None:
    spool.set_aside(record.number, why)
    emit("tasks", "spool.set_aside", record=record.number, path=str(spool.path), error=why)


class _Raising:
    """For a drainer, who has the spool behind him already."""

    def passes_by(self, messages: Sequence[Prepared]) -> bool:
        return False

    def give_up(self, error: Exception, **_: Any) -> NoReturn:
        raise Away(str(error)) from error

    def refused(self, error: Exception, *_: Any, **__: Any) -> NoReturn:
        raise error


def sender_of(app: Any) -> Send:
    """Give what sends for a drainer of this app, on a connection of its own."""
    deadline_s = sending_of(app).deadline.total_seconds()
    producer = Producer(bounded(app, deadline_s, room_s=_ROOM_S), deadline_s, _Raising())
    return Send(producer, takes_once(producer.connection))


class Drainer:
    """A thread of this process that drains while there is something to drain."""

    def __init__(self, app: Any, spool: Spool, on_back: Callable[[], None]) -> None:
        self._app = app
        self._spool = spool
        self._on_back = on_back
        self._rest = threading.Event()
        self._send: Send | None = None
        threading.Thread(target=self._run, name="celeriac-spool", daemon=True).start()

    def _run(self) -> None:
        said = ""
        while not self._rest.wait(_EVERY_S):
            try:
                if not self._spool.standing().tasks:
                    continue
                if self._send is None:
                    self._send = sender_of(self._app)
                drained = drain(self._spool, self._send)
            except Away:
                continue  # said when the first task was kept
            except Exception as error:  # the thread lives on, whatever a client raises
                if said != str(error):
                    said = str(error)
                    emit("tasks", "spool.trouble", error=redacted(str(error)))
                continue
            if drained:
                self._on_back()
                emit("tasks", "spool.drained", count=drained, path=str(self._spool.path))
