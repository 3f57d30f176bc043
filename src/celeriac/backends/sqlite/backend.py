"""Celery's result backend interface over one SQLite file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from celery.canvas import Signature, maybe_signature
from celery.exceptions import ChordError, TimeoutError  # noqa: A004 (Celery's own, which callers catch)
from celery.result import GroupResult, result_from_tuple
from kombu.exceptions import OperationalError
from kombu.utils.encoding import bytes_to_str

from celeriac.backends.sqlite.body import marked_once
from celeriac.backends.sqlite.chords import Chords, Part, Step
from celeriac.backends.sqlite.file import ResultsFile, path_of
from celeriac.backends.sqlite.order import run_of
from celeriac.backends.sqlite.rows import ResultRows, Standing
from celeriac.backends.sqlite.waiting import LONGEST_S, nap_s
from celeriac.errors import ResultsUnavailable
from celeriac.events import emit

_LAST_POSITION = 2**31
_LOOK_ANYWAY_S = 1.0


class SQLiteBackend(BaseBackend):
    """Keeps results, groups and chords in the file of `sqlite:///path`.

    Results expire after `result_expires` (failures after `result_failure_expires`): a read never gives an
    expired one, and writers delete them as they go, without any schedule. An unfinished chord is kept until
    it fires, or for `result_chord_expires` after its last news where that is set.

    Raises, from every method that touches the file: ResultsError. Where trying again may help
    (ResultsUnavailable: locked, full, input or output failed) it is tried again, as
    `result_backend_always_retry` and its companions say; by default 10 times over about 10 s.
    """

    supports_native_join = True
    supports_result_compression = True
    supports_failure_expires = True

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(app, url=url, **kwargs)
        conf = app.conf
        if not conf.value_set_for("result_backend_always_retry"):
            self.always_retry = True
        if not conf.value_set_for("result_backend_max_retries"):
            self.max_retries = 10
        failure_expires = conf.get("result_failure_expires")
        self.failure_expires = (
            self.expires if failure_expires is None else self.prepare_expires(failure_expires)
        )
        self.file = ResultsFile(path_of(url or ""))
        self.rows = ResultRows(self.file)

    @cached_property
    def chords(self) -> Chords:
        """The chords of the file."""
        chord_expires = self.app.conf.get("result_chord_expires")
        keep_s = None if chord_expires is None else self.prepare_expires(chord_expires) or None
        return Chords(self.file, keep_s=keep_s, keep_fired_s=keep_s or self.expires or None)

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Say whether the same call may work in a moment."""
        return isinstance(exc, ResultsUnavailable)

    # -- one result

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        task_id = bytes_to_str(task_id)
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        meta["task_id"] = task_id
        keep_s = self.failure_expires if state == states.FAILURE else self.expires
        run = run_of(task_id, request)
        stood = self.rows.write(
            task_id, state, state in states.READY_STATES, self.encode(meta), run, _expiry(keep_s)
        )
        if not stood and self.rows.standing(task_id, run) is Standing.OVERTAKEN:
            emit("backends", "results.late_write_refused", task_id=task_id, state=state)
        return result

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Take in the part of a success in its chord, then put the success on record.

        The worker may die in between. Celery takes a SUCCESS on record for the end of a task and acks its
        message, so a part that came after it could be missing for ever. This way round the task is run once
        more, and its part counts once.
        """
        if request and request.chord:
            self.on_chord_part_return(request, state, result)
        if store_result and not (request and request.ignore_result):
            self.store_result(task_id, result, state, request=request)

    def mark_as_failure(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Any = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """Put a failure on record and hand it on to chord, chain and errbacks.

        Where the failure may not stand, neither may its consequences: a run that was overtaken leaves chain
        and errbacks to the run that did it, and after a success the chain has gone on long ago.
        """
        standing = self._ensure_retryable(self.rows.standing, task_id, run_of(task_id, request))
        if standing is Standing.OPEN:
            super().mark_as_failure(task_id, exc, traceback, request, store_result, call_errbacks, state)
        elif standing is Standing.SUCCEEDED:
            # Another backend of ours, or an older release, may have stored the result before the part.
            if request and request.chord:
                self.on_chord_part_return(request, state, exc)
        else:
            emit("backends", "results.late_write_refused", task_id=task_id, state=state)

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        payload = self.rows.read(str(task_id))
        if payload is None:
            return {"status": states.PENDING, "result": None}
        return self.decode_result(payload)

    def task_result_exists(self, task_id: str) -> bool:
        """Say whether anything is on record of the task."""
        return self._ensure_retryable(self.rows.read, str(task_id)) is not None

    def _forget(self, task_id: str) -> None:
        self.rows.forget(str(task_id))

    # -- groups

    def _save_group(self, group_id: str, result: GroupResult) -> GroupResult:
        self.rows.save_group(group_id, self.encode({"result": result.as_tuple()}), _expiry(self.expires))
        return result

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        payload = self.rows.read_group(group_id)
        return None if payload is None else {"result": self._group_from(payload)}

    def _delete_group(self, group_id: str) -> None:
        self.rows.forget_group(group_id)

    def _group_from(self, payload: bytes | str) -> GroupResult:
        return result_from_tuple(self.decode(payload)["result"], self.app)

    def cleanup(self) -> None:
        """Delete everything that has expired."""
        self._ensure_retryable(self.rows.prune)

    # -- waiting

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

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = None,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        max_iterations: int | None = None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each of the tasks with its meta as soon as it has its outcome.

        The file is searched only after somebody has written to it.
        Arguments and errors are those of `wait_for`; max_iterations: naps at most.
        """
        missing = {bytes_to_str(task_id) for task_id in task_ids}
        began = time.monotonic()
        seen: int | None = None
        search_by = began
        naps = 0
        while missing:
            looked = time.monotonic()
            changes = self._ensure_retryable(self.rows.change_count)
            if changes != seen or looked >= search_by:
                seen, search_by = changes, looked + _LOOK_ANYWAY_S
                for task_id, meta in self._ready_among(sorted(missing)):
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
            if max_iterations and naps >= max_iterations:
                return

    def _ready_among(self, task_ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for task_id, payload in self.rows.read_ready(task_ids):
            meta = self.decode_result(payload)
            # A failure is not cached: it may be replayed and mended.
            if meta["status"] == states.SUCCESS:
                self._cache[task_id] = meta
            yield task_id, meta

    # -- chords

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Say how many parts the chord has; Celery calls it before it sends the last of them."""
        self._ensure_retryable(self.chords.expect, group_id, chord_size)

    def add_to_chord(self, chord_id: str, result: Any) -> None:
        """Expect one part more."""
        self._ensure_retryable(self.chords.expect_one_more, chord_id)

    def apply_chord(self, header_result_args: tuple[Any, ...], body: Any, **_: Any) -> None:
        """Keep the shape of the header if it nests; the parts themselves come in one by one."""
        if not isinstance(header_result_args[1], list | tuple):
            return  # a header made as it is sent; reading it here would exhaust it, and it is flat
        header = self.app.GroupResult(*header_result_args)
        if any(isinstance(member, GroupResult) for member in header.results):
            payload = self.encode({"result": header.as_tuple()})
            self._ensure_retryable(self.chords.keep_header, header.id, payload)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        """Take in the outcome of one part; fire, mend or fail the chord if it was the last one missing.

        Raises: kombu.exceptions.OperationalError if the broker does not take the body now: the part is not
            done
            then, and its redelivery fires the chord.
        """
        if not request.group or not request.id:
            return
        failed = state in states.PROPAGATE_STATES
        part = Part(
            group_id=request.group,
            task_id=request.id,
            position=_LAST_POSITION if request.group_index is None else request.group_index,
            failed=failed,
            payload=self.encode({"status": state, "result": self.encode_result(result, state)}),
            run=run_of(request.id, request),
        )
        step: Step = self._ensure_retryable(self.chords.arrive, part)
        if step is Step.WAIT:
            return
        body = maybe_signature(request.chord, app=self.app)
        if step is Step.FAIL:
            self._fail_chord(request.group, body, self._first_failure(request.group))
            return
        self._fire_chord(request.group, body)
        if step is Step.MEND:
            emit("backends", "chord.mended", group_id=request.group)

    def _fire_chord(self, group_id: str, body: Signature) -> None:
        try:
            marked_once(body, group_id).delay(self._joined(group_id))
        except OperationalError:
            raise
        except Exception as error:
            # Nothing that a redelivery could change: the body cannot be read, encoded or routed.
            failure = ChordError(f"Callback error: {error!r}")
            failure.__cause__ = error
            self._fail_chord(group_id, body, failure)
            return
        self._ensure_retryable(self.chords.mark_fired, group_id)

    def _fail_chord(self, group_id: str, body: Signature, failure: ChordError) -> None:
        emit("backends", "chord.failed", group_id=group_id, error=failure)
        try:
            raise failure  # Celery takes the traceback of the exception being handled
        except ChordError:
            self.chord_error_from_stack(body, failure)
        self._ensure_retryable(self.chords.mark_failed, group_id)

    def _joined(self, group_id: str) -> list[Any]:
        """Give what the parts returned, in the shape of the header."""
        parts = self._ensure_retryable(self.chords.parts, group_id)
        values = [(task_id, self.decode_result(payload)["result"]) for task_id, _, payload in parts]
        header = self._ensure_retryable(self.chords.header, group_id)
        if header is None:
            return [value for _, value in values]
        by_id = dict(values)

        def shaped(member: Any) -> Any:
            if isinstance(member, GroupResult):
                return [shaped(each) for each in member]
            return by_id[member.id] if member.id in by_id else self.get_result(member.id)

        return [shaped(member) for member in self._group_from(header)]

    def _first_failure(self, group_id: str) -> ChordError:
        for task_id, failed, payload in self._ensure_retryable(self.chords.parts, group_id):
            if failed:
                cause = self.decode_result(payload)["result"]
                failure = ChordError(f"Dependency {task_id} raised {cause!r}")
                failure.__cause__ = cause
                return failure
        return ChordError(f"A part of chord {group_id} failed")

    def __reduce__(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return super().__reduce__(args, {**(kwargs or {}), "expires": self.expires, "url": self.url})


def _expiry(keep_s: float | None) -> float | None:
    return time.time() + keep_s if keep_s else None


def _nap(began: float, looked: float, timeout: float | None, interval: float | None) -> None:
    now = time.monotonic()
    nap = nap_s(now - began, now - looked, LONGEST_S if interval is None else interval)
    if timeout is not None:
        left = began + timeout - now
        if left <= 0:
            raise TimeoutError("The operation timed out.")
        nap = min(nap, left)
    time.sleep(nap)
