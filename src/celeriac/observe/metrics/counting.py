"""Counting what happens to tasks, from Celery's signals and our own events, in the process where it happens.

A run is counted in the process that runs it, before its outcome is told to the parent; what killed that process is
counted by the parent, from the letter it writes. So no end is counted in two places.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from celery import Celery, signals, states

from celeriac import events, wire
from celeriac.observe.metrics.names import (
    COMPLETIONS,
    DROPS,
    EVENTS,
    FAILURES,
    LETTERS_WRITTEN,
    PAYLOAD,
    REFUSED,
    RETRIES,
    RUN,
    SPOOLED,
    SUBMISSIONS,
    WAIT,
)
from celeriac.observe.metrics.tally import OTHER, Tally

_ENDS = {states.SUCCESS: COMPLETIONS, states.FAILURE: FAILURES, states.RETRY: RETRIES}
_DROPPED = {states.IGNORED: "ignored", states.REJECTED: "rejected"}
#: deaths that no signal tells of, because the process that would send it is gone
_KILLED = frozenset({"timeout", "poison"})
#: letters that the embedded broker writes itself, and why
_OF_BROKER = {"broker.poison": "poison", "broker.set_aside": "malformed"}
_BEGAN = "celeriac_began"


class Counting:
    """Counts for one app into a tally, once connected."""

    def __init__(self, app: Celery, tally: Tally) -> None:
        self._app = app
        self._tally = tally

    def connect(self) -> None:
        """Listen from now on; connecting the same folder again replaces the listener."""
        for signal, receiver in (
            (signals.before_task_publish, self.on_publish),
            (signals.after_task_publish, self.on_published),
            (signals.task_received, self.on_received),
            (signals.task_prerun, self.on_start),
            (signals.task_postrun, self.on_end),
            (signals.task_revoked, self.on_revoked),
        ):
            uid = f"celeriac.observe.metrics:{self._tally.folder}:{receiver.__name__}"
            signal.disconnect(dispatch_uid=uid)
            signal.connect(receiver, weak=False, dispatch_uid=uid)
        events.listen(f"metrics:{self._tally.folder}", self.on_event)

    def on_publish(self, headers: Any = None, **_: Any) -> None:
        """Say in the message when it was sent, so that its wait can be told."""
        if isinstance(headers, dict):
            headers[wire.SENT] = time.time()

    def on_published(
        self, sender: Any = None, headers: Any = None, routing_key: Any = None, **_: Any
    ) -> None:
        """Count a message that the broker has accepted."""
        name = str(sender)
        if not (isinstance(headers, dict) and (headers.get("retries") or headers.get(wire.HELD))):
            task = self._tally.bounded(name, is_defined=name in self._app.tasks)
            self._tally.count(SUBMISSIONS, task, self._queue(routing_key))

    def on_received(self, request: Any = None, **_: Any) -> None:
        """Count how big a message was, as it travelled."""
        self._tally.observe(PAYLOAD, len(request.body), request.name)

    def on_start(self, task: Any, **_: Any) -> None:
        """Count how long a run had to wait, and take its start."""
        request = task.request
        if request.is_eager:
            return
        setattr(request, _BEGAN, time.perf_counter())
        ready_at = _ready_at(request)
        if ready_at is not None:
            queue = self._queue((request.delivery_info or {}).get("routing_key"))
            # Clocks of hosts differ; a negative wait is none.
            self._tally.observe(WAIT, max(time.time() - ready_at, 0.0), queue)

    def on_end(self, task: Any, state: str | None = None, **_: Any) -> None:
        """Count how a run ended, and how long it took."""
        request = task.request
        if request.is_eager:
            return
        began = getattr(request, _BEGAN, None)
        if began is not None:
            self._tally.observe(RUN, time.perf_counter() - began, task.name)
        if state in _ENDS:
            self._tally.count(_ENDS[state], task.name)
        elif state in _DROPPED:
            self._tally.count(DROPS, task.name, _DROPPED[state])

    def on_revoked(self, sender: Any = None, expired: bool = False, **_: Any) -> None:
        """Count a task that was revoked, or came too late."""
        self._tally.count(DROPS, str(getattr(sender, "name", OTHER)), "expired" if expired else "revoked")

    def on_event(self, _room: str, event: str, fields: Mapping[str, Any]) -> None:
        """Count an event, and the letter it tells of."""
        self._tally.count(EVENTS, event)
        if event == "letter.written":
            reason = str(fields["reason"])
            self._tally.count(LETTERS_WRITTEN, reason if reason in wire.REASONS else OTHER)
            if reason in _KILLED:
                name = str(fields["task"])
                self._tally.count(FAILURES, self._tally.bounded(name, is_defined=name in self._app.tasks))
        elif event == "send.refused":
            self._tally.count(REFUSED, self._queue(fields["queue"]), str(fields["why"]))
        elif event == "send.spooled":
            self._tally.count(SPOOLED, self._queue(fields["queue"]))
        elif event in _OF_BROKER:
            self._tally.count(LETTERS_WRITTEN, _OF_BROKER[event])
            if event == "broker.poison":
                # It killed whole workers; the broker does not read whose task it was.
                self._tally.count(FAILURES, OTHER)

    def _queue(self, routing_key: Any) -> str:
        return self._queues.get(str(routing_key), OTHER)

    @cached_property
    def _queues(self) -> dict[str, str]:
        """Routing key → name, of the queues that the app declares."""
        declared = self._app.amqp.queues
        return {str(queue.routing_key or name): name for name, queue in declared.items()}


def _ready_at(request: Any) -> float | None:
    """Say when a run could have begun: when it was sent, or at its eta if that is later; None if nobody said."""
    sent = request.get(wire.SENT)
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return None
    try:
        eta = datetime.fromisoformat(request.eta) if isinstance(request.eta, str) else request.eta
        if not isinstance(eta, datetime):
            return float(sent)
        return max(float(sent), (eta if eta.tzinfo else eta.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, OSError):
        return float(sent)
