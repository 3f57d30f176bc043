"""Sounding: what waits in a pool's queues, asked once a second by a thread that nobody waits for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from celery import Celery

from celeriac.errors import redacted
from celeriac.events import emit
from celeriac.observe.metrics.kombu_broker import KombuBroker
from celeriac.plan import Plan
from celeriac.pools.autoscale import QueueSight
from celeriac.tasks.runtime import runtime_of
from celeriac.transports.redis.location import locate
from celeriac.transports.view import BrokerView, open_view

LOOK_EVERY_S = 1.0
#: an answer that old is none: what it says has changed
STALE_S = 10.0
#: how long a fork waits for a look to end; a look at a file takes milliseconds
_FORK_WAITS_S = 0.25
#: what Celeriac's scheme for a Redis socket is called at kombu
_KOMBU = "celeriac-"


class Sounding(NamedTuple):
    """at: steady seconds; sights: the queues, as they were then."""

    at: float
    sights: Sequence[QueueSight]


def max_waits_s(plan: Plan, queues: Sequence[str]) -> dict[str, float | None]:
    """Give queue → its objective in seconds; None: the plan has none for it."""
    waits = {name: plan.queues[name].max_wait for name in queues if name in plan.queues}
    return {name: wait.total_seconds() if (wait := waits.get(name)) else None for name in queues}


class Looker:
    """Looks at the queues of an app's broker in a thread of its own, from `start` on.

    The last answer is kept; while the broker does not answer, it grows old.
    room: in whose name it is said that the broker does not answer.
    """

    def __init__(self, app: Celery, queues: Sequence[str], *, room: str = "app") -> None:
        self._look = look_at(app, queues)
        self._room = room
        self._looking = threading.Lock()
        self._is_blind = self._held = False
        self._latest: Sounding | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; called again it does nothing."""
        if self._thread is not None:
            return
        # SQLite's own locks must not be held while a slot is forked: in the child nobody would let go of them.
        os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._let_go)
        self._thread = threading.Thread(target=self._run, daemon=True, name="looker")
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def latest(self) -> Sounding | None:
        """Give the last answer; None if there is none of the last `STALE_S`."""
        latest = self._latest
        return latest if latest is not None and time.monotonic() - latest.at <= STALE_S else None

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                with self._looking:
                    sights = self._look()
            except Exception as error:  # whatever a client raises: what is not seen is not acted on
                self._say_blind(error)
                continue
            self._latest = Sounding(time.monotonic(), sights)
            if self._is_blind:
                self._is_blind = False
                emit(self._room, "scale.sees")

    def _say_blind(self, error: Exception) -> None:
        if not self._is_blind:
            self._is_blind = True
            emit(self._room, "scale.blind", error=redacted(str(error).strip() or type(error).__name__))

    def _hold(self) -> None:
        self._held = self._looking.acquire(timeout=_FORK_WAITS_S)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._looking.release()


def look_at(app: Celery, queues: Sequence[str]) -> Callable[[], list[QueueSight]]:
    """Give what looks at these queues of the app's broker, over a connection that it keeps.

    It raises the errors of the broker; the next call connects anew.
    """
    url = (app.conf.broker_url or "").removeprefix(_KOMBU)
    if url.startswith("sqlite:") or locate(url):
        return _Viewed(app, url, tuple(queues))
    return _Declared(app, frozenset(queues))


class _Viewed:
    def __init__(self, app: Celery, url: str, queues: tuple[str, ...]) -> None:
        self._app, self._url, self._queues = app, url, queues
        self._view: BrokerView | None = None

    def __call__(self) -> list[QueueSight]:
        if self._view is None:
            options: dict[str, Any] = dict(self._app.conf.broker_transport_options)
            folder = runtime_of(self._app).plan.folder
            self._view = open_view(self._url, folder, queues=self._queues, options=options)
        try:
            states = self._view.queues()
        except Exception:
            view, self._view = self._view, None
            view.close()
            raise
        return [
            QueueSight(
                name=it.name,
                messages=it.ready + it.due,
                oldest_age_s=it.oldest_age_s if it.ready else None,
                consumers=it.consumers,
            )
            for it in states
            if it.name in self._queues
        ]


class _Declared:
    def __init__(self, app: Celery, queues: frozenset[str]) -> None:
        self._read = KombuBroker(app)
        self._queues = queues

    def __call__(self) -> list[QueueSight]:
        return [
            QueueSight(name=it.name, messages=it.ready, oldest_age_s=it.oldest_age_s, consumers=it.consumers)
            for it in self._read().queues
            if it.name in self._queues
        ]
