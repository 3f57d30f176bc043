"""Celery's task events, sent many at a time and with what a history needs: queue, attempt, lineage, time of sending.

Celery sends them at every turn of the worker's loop. Here those of a quarter of a second go together. They stay
Celery's events, on Celery's exchange: Flower and `celery events` read them as ever.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
from celery import bootsteps, signals
from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher
from celery.events.event import Event as CeleryEvent
from celery.utils.time import utcoffset as celery_utcoffset
from celery.worker import state
from kombu.asynchronous import get_event_loop

from celeriac import wire

#: how long events wait for others; a task that has begun is told at once if none was told for as long
GATHER_S = 0.25
BATCH_MAX = 1000
#: when events that could not be sent are tried again, seconds
AGAIN_S = 1.0
#: events that wait for a broker that is gone; then the oldest are dropped
WAITING_MAX = 20_000
TRACEBACK_CHARS_MAX = 16 * 1024
#: tasks in a worker whose names are remembered; of one forgotten, later events say less
KNOWN_MAX = 10_000

_ENDS = frozenset(
    {"task-succeeded", "task-failed", "task-retried", "task-revoked", "task-rejected", "task-cancelled"}
)
#: what may wait: Celery tells of it before a task runs, so it needs no haste
_EARLY = frozenset({"task-received", "task-revoked"})
_encode = msgspec.json.Encoder().encode


class Events(CeleryEvents):
    """Celery's `app.events`, with our dispatcher."""

    dispatcher_cls = "celeriac.observe.dispatcher:Dispatcher"


class SendTheRest(bootsteps.StartStopStep):
    """Sends what has been gathered before a stopping worker hangs up."""

    requires: Any = ("celery.worker.consumer.events:Events",)

    def stop(self, c: Any) -> None:
        """Send it."""
        if c.event_dispatcher:
            c.event_dispatcher.flush()


class Dispatcher(EventDispatcher):
    """Celery's dispatcher, that gathers a worker's task events; all others go as Celery sends them."""

    def __init__(
        self,
        connection: Any = None,
        hostname: Any = None,
        enabled: Any = True,
        channel: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(connection, hostname, enabled, channel, **options)
        # Given a channel, it is a sender's, and lives for one event.
        self._gathers = channel is None and self.serializer == "json"
        self._gathered: list[dict[str, Any]] = []
        self._known: dict[str, dict[str, Any]] = {}
        self._received: Any = None
        self._is_planned = False
        self._flushed_at = 0.0
        if self._gathers:
            # Weakly: a worker that connects anew makes a new dispatcher, and the old one must go.
            signals.task_received.connect(self._on_received)
            signals.task_revoked.connect(self._on_revoked)

    def send(
        self,
        type: str,  # noqa: A002 - the names are Celery's
        blind: bool = False,
        utcoffset: Any = celery_utcoffset,
        retry: Any = False,
        retry_policy: Any = None,
        Event: Any = CeleryEvent,  # noqa: N803
        **fields: Any,
    ) -> None:
        """Send an event, or keep it for a moment to be sent with others."""
        if not (self._gathers and type.startswith("task-")):
            super().send(type, blind, utcoffset, retry, retry_policy, Event, **fields)
            return
        if not self.enabled or (self.groups and "task" not in self.groups):
            return
        self._complete(type, fields)
        fields["type"] = type
        fields["timestamp"] = time.time()
        self._gathered.append(fields)
        if type not in _EARLY and time.monotonic() - self._flushed_at >= GATHER_S:
            # A pool that runs tasks in the loop's own thread comes to nothing else until the task has ended.
            self.flush()
        elif len(self._gathered) >= BATCH_MAX or state.should_stop is not None:
            self.flush()
        elif not self._is_planned:
            self._plan(GATHER_S)

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Send what was gathered; what cannot be sent now waits for the next time."""
        self._flushed_at = time.monotonic()
        self._is_planned = False
        super().flush(errors=errors, groups=groups)
        with self.mutex:
            if not groups or not self._gathered or self.publisher is None:
                return
            # A part of the list, since other threads may add to it meanwhile.
            batch = self._gathered[:WAITING_MAX]
            try:
                self._send_together(batch)
            except Exception:
                # Whatever a broker raises: the tasks this tells of go on.
                del self._gathered[: max(len(self._gathered) - WAITING_MAX, 0)]
                # Not left to the next event, which may be long in coming.
                self._plan(AGAIN_S)
            else:
                del self._gathered[: len(batch)]

    def extend_buffer(self, other: Any) -> None:
        """Take over what a dispatcher whose connection was lost could not send."""
        super().extend_buffer(other)
        if isinstance(other, Dispatcher):
            self._gathered[:0] = other._gathered
            self._known |= other._known

    def _send_together(self, batch: list[dict[str, Any]]) -> None:
        common = {"hostname": self.hostname, "pid": self.pid, "utcoffset": celery_utcoffset()}
        clock = self.clock.value
        self.clock.adjust(clock + len(batch))
        for number, event in enumerate(batch, clock + 1):
            event["clock"] = number
            event.update(common)
        body: Any = batch
        how: dict[str, Any] = {"serializer": self.serializer}
        try:
            # kombu's encoder takes more, as the odd text with a lone surrogate, and is slow.
            body = _encode(batch).decode()
            how = {"content_type": "application/json", "content_encoding": "utf-8"}
        except (TypeError, ValueError, RecursionError):
            pass
        self.publisher.publish(
            body,
            routing_key="task.multi",
            exchange=self.exchange.name,
            declare=[self.exchange],
            headers=self.headers,
            delivery_mode=self.delivery_mode,
            **how,
        )

    def _complete(self, kind: str, fields: dict[str, Any]) -> None:
        """Add to an event what is known of its task and Celery leaves out."""
        if kind == "task-received":
            request, self._received = self._received, None
            if request is not None and request.id == fields.get("uuid"):
                fields.update(self._describe(request))
            return
        task_id = fields.get("uuid", "")
        known = self._known.pop(task_id, None) if kind in _ENDS else self._known.get(task_id)
        if known is not None:
            fields.update(known)
        traceback = fields.get("traceback")
        if isinstance(traceback, str) and len(traceback) > TRACEBACK_CHARS_MAX:
            fields["traceback"] = "…" + traceback[-TRACEBACK_CHARS_MAX:]

    def _describe(self, request: Any) -> dict[str, Any]:
        """Describe a task that was received, and remember the part that every event repeats."""
        headers = request.request_dict
        known = {"name": request.name, "queue": _queue(request), "retries": headers.get("retries") or 0}
        generation = wire.generation_of(headers)
        if generation:
            known["generation"] = generation
        if len(self._known) >= KNOWN_MAX:
            self._known.pop(next(iter(self._known)), None)
        self._known[request.id] = known
        return {
            **known,
            "sent_at": headers.get(wire.SENT),
            "group_id": headers.get("group"),
            "replay_of": headers.get(wire.LETTER),
        }

    def _on_received(self, sender: Any = None, request: Any = None, **_: Any) -> None:
        self._received = request

    def _on_revoked(self, sender: Any = None, request: Any = None, **_: Any) -> None:
        # Celery drops a revoked or expired task before it says what it was, and tells the signal after the event.
        event = self._gathered[-1] if self._gathered else {}
        if event.get("type") == "task-revoked" and request is not None and event.get("uuid") == request.id:
            told = {
                "name": getattr(sender, "name", None),
                "queue": _queue(request),
                "retries": request.retries or 0,
                "generation": wire.generation_of(request.headers or {}),
            }
            event.update({name: value for name, value in told.items() if name not in event})

    def _plan(self, after_s: float) -> None:
        self._is_planned = True
        hub = get_event_loop()
        if hub is not None:
            # By way of the loop: other threads may not touch its timers.
            hub.call_soon(hub.call_later, after_s, self.flush)
            return
        timer = threading.Timer(after_s, self.flush)
        timer.daemon = True
        timer.start()


def _queue(request: Any) -> str | None:
    info = request.delivery_info or {}
    return info.get("queue") or info.get("routing_key")
