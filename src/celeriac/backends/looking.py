"""Waiting for results by looking for them in a store, again whenever it may have changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import TimeoutError  # noqa: A004 (Celery's own, which callers catch)
from celery.result import GroupResult
from kombu.utils.encoding import bytes_to_str

from celeriac.backends.chords import Payload
from celeriac.backends.waiting import ids_before

Outcome = tuple[str, Any]
_SHORTEST_S = 0.001


class Watch(Protocol):
    """An eye on a store, while somebody waits for certain tasks."""

    def has_news(self) -> bool:
        """Say whether it is worth looking: asked before each look; True the first time."""
        ...

    def pause(self, waited_s: float, look_s: float, at_most_s: float) -> None:
        """Do nothing until there is news, or for a span of the store's choice.

        waited_s: since the wait began. look_s: what the last look took. at_most_s: no longer than that.
        """
        ...


class Waits(BaseBackend):
    """The part of a backend that waits."""

    def watching(self, task_ids: Iterable[str]) -> AbstractContextManager[Watch]:
        """Keep an eye on these tasks."""
        raise NotImplementedError

    def read_ready(self, task_ids: Sequence[str]) -> Iterable[tuple[str, Payload]]:
        """Give those of the tasks that have their outcome, with it."""
        raise NotImplementedError

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float | None = None,
        no_ack: bool = True,
        on_interval: Callable[[], Any] | None = None,
    ) -> dict[str, Any]:
        """Wait for the task's outcome and give its meta.

        timeout: seconds. interval: the longest pause, in seconds, where that is shorter than the store's own.
        Raises: celery.exceptions.TimeoutError.
        """
        self._ensure_not_eager()
        if task_id in self._cache:
            meta: dict[str, Any] = self.get_task_meta(task_id)
            return meta
        return next(meta for _, meta in self._outcomes({task_id: ()}, timeout, interval, None, on_interval))

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

        Arguments and errors are those of `wait_for`; max_iterations: pauses at most.
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
        max_pauses: int | None = None,
    ) -> Iterator[Outcome]:
        """Wait for the outcome of every task.

        before: task id → the tasks that must have succeeded before it is sent.
        """
        missing = set(before)
        began = time.monotonic()
        pauses = 0
        with self.watching(missing.union(*before.values())) as watch:
            while missing:
                looked = time.monotonic()
                found = self._ensure_retryable(self._found, missing, before) if watch.has_news() else ()
                if on_interval:
                    # Before what was found is given: Celery looks there whether a parent has failed, whose own error
                    # goes before the one that followed from it.
                    on_interval()
                for task_id, meta in found:
                    missing.discard(task_id)
                    if on_message is not None:
                        on_message(meta)
                    yield task_id, meta
                if not missing:
                    return
                now = time.monotonic()
                left = float("inf") if timeout is None else began + timeout - now
                if left <= 0:
                    raise TimeoutError("The operation timed out.")
                watch.pause(now - began, now - looked, longest_pause(left, interval))
                pauses += 1
                if max_pauses and pauses >= max_pauses:
                    return

    def _found(self, missing: Iterable[str], before: Mapping[str, Sequence[str]]) -> list[Outcome]:
        waiting = set(missing)
        found: list[Outcome] = []
        for task_id, meta in self._ready_among(sorted(waiting)):
            waiting.discard(task_id)
            found.append((task_id, meta))
        earlier = sorted({task_id for each in waiting for task_id in before[each]})
        failed = {
            task_id: meta
            for task_id, meta in self._ready_among(earlier)
            if meta["status"] in states.PROPAGATE_STATES
        }
        for task_id in sorted(waiting) if failed else ():
            cause = next((each for each in before[task_id] if each in failed), None)
            if cause is not None:
                found.append((task_id, failed[cause]))
        return found

    def _ready_among(self, task_ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for task_id, payload in self.read_ready(task_ids):
            meta = self.decode_result(payload)
            # A failure is not cached: it may be replayed and mended.
            if meta["status"] == states.SUCCESS:
                self._cache[task_id] = meta
            yield task_id, meta


def longest_pause(left_s: float, interval_s: float | None) -> float:
    """Say how long to pause at most. left_s: until the timeout. interval_s: as the caller asked, not less than 1 ms."""
    return left_s if interval_s is None else min(left_s, max(interval_s, _SHORTEST_S))
