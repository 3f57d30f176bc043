"""Celery's result backend interface over one SQLite file."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

from celery import states
from celery.result import GroupResult
from kombu.utils.encoding import bytes_to_str

from celeriac.backends.firing import Fires
from celeriac.backends.order import Run, Standing, run_of
from celeriac.backends.outcomes import Outcomes
from celeriac.backends.sqlite.chords import Chords
from celeriac.backends.sqlite.file import ResultsFile, path_of
from celeriac.backends.sqlite.rows import ResultRows
from celeriac.backends.sqlite.waiting import Waits
from celeriac.errors import ResultsUnavailable
from celeriac.events import emit

_LAST_POSITION = 2**31
_LOOK_ANYWAY_S = 1.0


class SQLiteBackend(Waits, Outcomes, Fires):
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
        return Chords(
            self.file, keep_s=self.keep_chords_s, keep_fired_s=self.keep_chords_s or self.expires or None
        )

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

    def standing(self, task_id: str, run: Run) -> Standing:
        """Say whether a write of this run would stand."""
        return self.rows.standing(task_id, run)

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

    def cleanup(self) -> None:
        """Delete everything that has expired."""
        self._ensure_retryable(self.rows.prune)

    def __reduce__(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return super().__reduce__(args, {**(kwargs or {}), "expires": self.expires, "url": self.url})


def _expiry(keep_s: float | None) -> float | None:
    return time.time() + keep_s if keep_s else None
