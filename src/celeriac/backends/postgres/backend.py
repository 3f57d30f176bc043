"""Celery's result backend on PostgreSQL, with writes that are gathered and fenced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from celery import states
from celery.result import GroupResult
from kombu.utils.encoding import bytes_to_str

from celeriac.backends.chords import Payload
from celeriac.backends.firing import Fires
from celeriac.backends.gathering import GATHERED, Write
from celeriac.backends.keeping import Keeps
from celeriac.backends.looking import Waits, Watch
from celeriac.backends.order import Run, Standing, run_of
from celeriac.backends.outcomes import Outcomes
from celeriac.backends.postgres.chords import PostgresChords
from celeriac.backends.postgres.ear import ear_at
from celeriac.backends.postgres.rows import ResultRows, Row
from celeriac.errors import ResultsUnavailable
from celeriac.events import emit


class PostgresBackend(Waits, Keeps, Outcomes, Fires):
    """Keeps results, groups and chords in the database of `postgresql://…`, in tables of its own.

    Results expire after `result_expires` (failures after `result_failure_expires`), by the server's clock: a read never
    gives an expired one, and writers delete them as they go. An unfinished chord is kept until it fires, or for
    `result_chord_expires` after its last news where that is set.

    Raises, from every method that asks the server: ResultsError. Where trying again may help (ResultsUnavailable) it
    is tried again, as `result_backend_always_retry` and its companions say; by default 10 times over about 10 s.
    """

    supports_native_join = True
    supports_result_compression = True
    supports_failure_expires = True

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(app, url=url, **kwargs)
        self.be_patient()
        # Celery makes a backend for each thread; the connections are for all of them.
        self._ear = ear_at(url or "")
        self.database = self._ear.database
        self.rows = ResultRows(self.database)

    @cached_property
    def chords(self) -> PostgresChords:
        """The chords of the database."""
        return PostgresChords(
            self.database, keep_s=self.keep_chords_s, keep_fired_s=self.keep_chords_s or self.expires or None
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
        kept = self.kept(task_id, result, state, traceback, request)
        row = Row(
            task_id, state, state in states.READY_STATES, kept.payload, run_of(task_id, request), kept.keep_s
        )
        GATHERED.put(Write(self.database.at, self._write, task_id, state, (), row))
        return result

    def _write(self, writes: list[Write]) -> None:
        """Write results in one step, in their order."""
        for row in self.rows.write(Row(*write.arguments) for write in writes):
            emit("backends", "results.late_write_refused", task_id=row.task_id, state=row.state)

    def standing(self, task_id: str, run: Run) -> Standing:
        """Say whether a write of this run would stand."""
        GATHERED.flush()
        return self.rows.standing(task_id, run)

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        GATHERED.flush()
        payload = self.rows.read(str(task_id))
        if payload is None:
            return {"status": states.PENDING, "result": None}
        return self.decode_result(payload)

    def task_result_exists(self, task_id: str) -> bool:
        """Say whether anything is on record of the task."""
        GATHERED.flush()
        return self._ensure_retryable(self.rows.read, str(task_id)) is not None

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        """Take in the outcome of one part, after what is known of its task was written."""
        GATHERED.flush()
        super().on_chord_part_return(request, state, result, **kwargs)

    def _forget(self, task_id: str) -> None:
        GATHERED.flush()
        self.rows.forget(str(task_id))

    # -- waiting

    def watching(self, task_ids: Iterable[str]) -> AbstractContextManager[Watch]:
        """Listen for these tasks."""
        return self._ear.watching(task_ids)

    def read_ready(self, task_ids: Sequence[str]) -> Iterable[tuple[str, Payload]]:
        """Give those of the tasks that have their outcome, with it."""
        GATHERED.flush()
        return self.rows.read_ready(task_ids)

    # -- groups

    def _save_group(self, group_id: str, result: GroupResult) -> GroupResult:
        self.rows.save_group(group_id, self.octets({"result": result.as_tuple()}), self.expires or None)
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
