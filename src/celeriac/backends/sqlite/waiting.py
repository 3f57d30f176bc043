"""Waiting for results: looks at the file with naps in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import TimeoutError  # noqa: A004 (Celery's own, which callers catch)
from celery.result import GroupResult
from kombu.utils.encoding import bytes_to_str

from celeriac.backends.sqlite.rows import ResultRows
from celeriac.backends.waiting import ids_before

SHORTEST_S = 0.001
LONGEST_S = 0.05
_SEARCH_ANYWAY_S = 1.0

Outcome = tuple[str, Any]


class Waits(BaseBackend):
    """The part of the backend that waits; `rows` are the results on record."""

    rows: ResultRows

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float | None = None,
        no_ack: bool = True,
        on_interval: Callable[[], Any] | None = None,
    ) -> dict[str, Any]:
        """Wait for the task's outcome and give its meta.

        timeout: seconds. interval: the longest nap between two looks, in seconds; 50 ms at most, also if None.
        Raises: celery.exceptions.TimeoutError.
        """
        self._ensure_not_eager()
        began = time.monotonic()
        while True:
            looked = time.monotonic()
            if task_id in self._cache or self._ensure_retryable(self.rows.is_ready, task_id):
                meta: dict[str, Any] = self.get_task_meta(task_id)
                if meta["status"] in states.READY_STATES:
                    return meta
            if on_interval:
                on_interval()
            _nap(began, looked, timeout, interval)

    def iter_native(
        self,
        result: Any,
        timeout: float | None = None,
        interval: float | None = None,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
    ) -> Iterator[Outcome]:
        """Give each member of a group with its meta as soon as it has its outcome; of a nested group, its members.

        A member that was to follow a task which has failed is given with that failure: it was never sent, and
        nobody stores an outcome for it.
        Arguments and errors are those of `wait_for`.
        """
        self._ensure_not_eager()
        members: list[Any] = result.results
        groups = [member for member in members if isinstance(member, GroupResult)]
        singles = [member for member in members if not isinstance(member, GroupResult)]
        for group in groups:
            yield str(group.id), group.results
        before_all = ids_before(result)
        before: dict[str, list[str]] = {member.id: [*ids_before(member), *before_all] for member in singles}
        yield from self._outcomes(before, timeout, interval, on_message, on_interval)

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = None,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        max_iterations: int | None = None,
    ) -> Iterator[Outcome]:
        """Give each of the tasks with its meta as soon as it has its outcome.

        Arguments and errors are those of `wait_for`; max_iterations: naps at most.
        """
        before: dict[str, Sequence[str]] = {bytes_to_str(task_id): () for task_id in task_ids}
        yield from self._outcomes(before, timeout, interval, on_message, on_interval, max_iterations)

    def _outcomes(
        self,
        before: Mapping[str, Sequence[str]],
        timeout: float | None,
        interval: float | None,
        on_message: Callable[[dict[str, Any]], Any] | None,
        on_interval: Callable[[], Any] | None,
        max_naps: int | None = None,
    ) -> Iterator[Outcome]:
        """Wait for the outcome of every task; the file is searched only after somebody has written to it.

        before: task id → the tasks that must have succeeded before it is sent.
        """
        missing = set(before)
        began = time.monotonic()
        seen: int | None = None
        search_by = began
        naps = 0
        while missing:
            looked = time.monotonic()
            changes = self._ensure_retryable(self.rows.change_count)
            if changes != seen or looked >= search_by:
                seen, search_by = changes, looked + _SEARCH_ANYWAY_S
                for task_id, meta in self._found(missing, before):
                    missing.discard(task_id)
                    if on_message is not None:
                        on_message(meta)
                    yield task_id, meta
            if not missing:
                return
            if on_interval:
                on_interval()
            _nap(began, looked, timeout, interval)
            naps += 1
            if max_naps and naps >= max_naps:
                return

    def _found(self, missing: Iterable[str], before: Mapping[str, Sequence[str]]) -> Iterator[Outcome]:
        waiting = set(missing)
        for task_id, meta in self._ready_among(sorted(waiting)):
            waiting.discard(task_id)
            yield task_id, meta
        earlier = sorted({task_id for each in waiting for task_id in before[each]})
        failed = {
            task_id: meta
            for task_id, meta in self._ready_among(earlier)
            if meta["status"] in states.PROPAGATE_STATES
        }
        if failed:
            for task_id in sorted(waiting):
                cause = next((each for each in before[task_id] if each in failed), None)
                if cause is not None:
                    yield task_id, failed[cause]

    def _ready_among(self, task_ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for task_id, payload in self.rows.read_ready(task_ids):
            meta = self.decode_result(payload)
            # A failure is not cached: it may be replayed and mended.
            if meta["status"] == states.SUCCESS:
                self._cache[task_id] = meta
            yield task_id, meta


def nap_s(waited_s: float, look_s: float, longest_s: float = LONGEST_S) -> float:
    """Say how long to nap before the next look.

    A twentieth of the time waited so far, between 1 and 50 ms: a short task is noticed at once, and a long
    one costs twenty looks a second and is noticed within five hundredths of its time. Never less than twice
    what a look takes, so that looking for thousands of results leaves the processor to those who make them.

    waited_s: since the wait began. look_s: what the last look took. longest_s: the caller's own bound.
    """
    return max(min(max(waited_s / 20, SHORTEST_S), LONGEST_S, max(longest_s, SHORTEST_S)), look_s * 2)


def _nap(began: float, looked: float, timeout: float | None, interval: float | None) -> None:
    now = time.monotonic()
    nap = nap_s(now - began, now - looked, LONGEST_S if interval is None else interval)
    if timeout is not None:
        left = began + timeout - now
        if left <= 0:
            raise TimeoutError("The operation timed out.")
        nap = min(nap, left)
    time.sleep(nap)
