"""The part of a backend that keeps results as rows of a SQL database, gathered and fenced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from celery import states
from celery.result import GroupResult
from kombu.utils.encoding import bytes_to_str

from celeriac.backends.chords import Payload
from celeriac.backends.firing import Fires
from celeriac.backends.gathering import GATHERED, Write
from celeriac.backends.keeping import Keeps
from celeriac.backends.looking import Waits
from celeriac.backends.order import Run, Standing, run_of
from celeriac.backends.outcomes import Outcomes
from celeriac.errors import ResultsUnavailable
from celeriac.events import emit


class Row(NamedTuple):
    """One result to put on record. keep_s: seconds from now; None: for good."""

    task_id: str
    state: str
    ready: bool
    payload: bytes
    run: Run
    keep_s: float | None


class Rows(Protocol):
    """The reads and writes of one database."""

    def write(self, rows: Sequence[Row]) -> list[Row]:
        """Put states on record in their order, where the order of writes lets them stand.

        Returns: those that a later run forbids; what a success forbids is passed over.
        """
        ...

    def standing(self, task_id: str, run: Run) -> Standing:
        """Say whether a write of `run` would stand, and if not, why."""
        ...

    def read(self, task_id: str) -> Payload | None:
        """Give what is on record of a task."""
        ...

    def read_ready(self, task_ids: Sequence[str]) -> Iterable[tuple[str, Payload]]:
        """Give those of the tasks that have their outcome, with it."""
        ...

    def forget(self, task_id: str) -> None:
        """Take a result off the record."""
        ...

    def save_group(self, group_id: str, payload: bytes, keep_s: float | None) -> None:
        """Put the members of a group on record."""
        ...

    def read_group(self, group_id: str) -> Payload | None:
        """Give the members of a group."""
        ...

    def forget_group(self, group_id: str) -> None:
        """Take a group off the record; the results of its members stay."""
        ...

    def prune(self, rounds: int | None = None) -> int:
        """Delete what has expired, and say how many rows that were."""
        ...


class Tabled(Waits, Keeps, Outcomes, Fires):
    """A backend on tables; what makes it says `rows`, `place`, `chords` and how to watch.

    Raises, from every method that asks the database: ResultsError. Where trying again may help (ResultsUnavailable)
    it is tried again, as `result_backend_always_retry` and its companions say; by default 10 times over about 10 s.
    """

    supports_native_join = True
    supports_result_compression = True
    supports_failure_expires = True

    rows: Rows
    #: names the database among those that this process writes to
    place: str

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
        is_ready = state in states.READY_STATES
        row = Row(task_id, state, is_ready, kept.payload, run_of(task_id, request), kept.keep_s)
        GATHERED.put(Write(self.place, self._write, task_id, state, (), row))
        return result

    def _write(self, writes: list[Write]) -> None:
        """Write results in one step, in their order."""
        for row in self.rows.write([Row(*write.arguments) for write in writes]):
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

    def read_ready(self, task_ids: Sequence[str]) -> Iterable[tuple[str, Payload]]:
        """Give those of the tasks that have their outcome, with it."""
        GATHERED.flush()
        return self.rows.read_ready(task_ids)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        """Take in the outcome of one part, after what is known of its task was written."""
        GATHERED.flush()
        super().on_chord_part_return(request, state, result, **kwargs)

    def _forget(self, task_id: str) -> None:
        GATHERED.flush()
        self.rows.forget(str(task_id))

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
