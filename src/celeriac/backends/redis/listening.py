"""Waiting for results on Redis: subscribed to only once somebody waits, all at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from celery.backends import redis as stock
from celery.backends.asynchronous import Drainer

#: how often who waits looks whether his time is over, seconds
_LOOK_S = 0.25
#: channels or keys of one command
_AT_ONCE = 1000


class ResultConsumer(stock.ResultConsumer):
    """Celery's own, that subscribes when somebody waits, and does not look past the caller's timeout by up to a second.

    Celery subscribes to each task of a group as it is sent, a command each, whether anybody will wait or not.
    """

    _pubsub: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._later: dict[str, None] = {}
        # A green thread of gevent or eventlet listens all the time.
        self._waits_only_when_asked = type(self.drainer) is Drainer
        self._taking = threading.Lock()

    def consume_from(self, task_id: str) -> None:
        """Note that this result is wanted."""
        if self._waits_only_when_asked:
            self._later[task_id] = None
        else:
            super().consume_from(task_id)

    def cancel_for(self, task_id: str) -> None:
        # One step, since the garbage collector may call this in the middle of anything.
        if self._later.pop(task_id, self) is self:
            super().cancel_for(task_id)

    def _wait_for_pending(
        self,
        result: Any,
        timeout: float | None = None,
        on_interval: Callable[[], None] | None = None,
        on_message: Callable[[Any], None] | None = None,
        **kwargs: Any,
    ) -> Iterator[None]:
        new = self._subscribe()

        def look() -> None:
            if new:
                # Once more: a result may have come before the server had read what subscribes to it.
                ids, new[:] = list(new), []
                self._look_at(ids)
            if on_interval is not None:
                on_interval()

        if on_interval is not None and result.on_ready.ready:
            # It was there already, so the loop below makes no turn; Celery looks there whether a parent has failed,
            # whose own error goes before the one that followed from it.
            on_interval()
        yield from super()._wait_for_pending(
            result, timeout=timeout, on_interval=look, on_message=on_message, **kwargs
        )

    def drain_events_until(self, p: Any, timeout: float | None = None, on_interval: Any = None) -> Any:
        interval = _LOOK_S if timeout is None else min(timeout, _LOOK_S)
        return self.drainer.drain_events_until(p, timeout=timeout, interval=interval, on_interval=on_interval)

    def _subscribe(self) -> list[str]:
        """Subscribe to all that is wanted by now, and look what of it is there; give the ids."""
        with self._taking:
            later, self._later = self._later, {}
        ids = list(later)
        for some in _portions(ids):
            with self._locked():
                first, *rest = some
                if self._pubsub is None:
                    self.start(first)
                else:
                    self._consume_from(first)
                keys = {self._get_key_for_task(each) for each in rest} - self.subscribed_to
                self._pending_unsubscribe -= keys
                if keys:
                    self.subscribed_to |= keys
                    with self.reconnect_on_error():
                        self._pubsub.subscribe(*keys)
        self._look_at(ids)
        return ids

    def _look_at(self, ids: Sequence[str]) -> None:
        for some in _portions(ids):
            for payload in self.backend.mget([self._get_key_for_task(each) for each in some]):
                if payload:
                    self.on_state_change(self._decode_result(payload), None)


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
