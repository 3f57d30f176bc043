"""Celery's result backend on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from celeriac.backends.looking import Watch
from celeriac.backends.postgres.chords import PostgresChords
from celeriac.backends.postgres.ear import ear_at
from celeriac.backends.postgres.rows import ResultRows
from celeriac.backends.tabled import Tabled


class PostgresBackend(Tabled):
    """Keeps results, groups and chords in the database of `postgresql://…`, in tables of its own.

    Results expire after `result_expires` (failures after `result_failure_expires`), by the server's clock: a read never
    gives an expired one, and writers delete them as they go. An unfinished chord is kept until it fires, or for
    `result_chord_expires` after its last news where that is set.
    """

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(app, url=url, **kwargs)
        self.be_patient()
        # Celery makes a backend for each thread; the connections are for all of them.
        self._ear = ear_at(url or "")
        self.database = self._ear.database
        self.place = self.database.at
        self.rows = ResultRows(self.database)

    @cached_property
    def chords(self) -> PostgresChords:
        """The chords of the database."""
        return PostgresChords(
            self.database, keep_s=self.keep_chords_s, keep_fired_s=self.keep_chords_s or self.expires or None
        )

    def watching(self, task_ids: Iterable[str]) -> AbstractContextManager[Watch]:
        """Listen for these tasks."""
        return self._ear.watching(task_ids)
