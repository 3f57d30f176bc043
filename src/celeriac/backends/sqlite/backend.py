"""Celery's result backend over one SQLite file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from celeriac.backends.looking import Watch
from celeriac.backends.sqlite.chords import Chords
from celeriac.backends.sqlite.file import ResultsFile, path_of
from celeriac.backends.sqlite.rows import ResultRows
from celeriac.backends.sqlite.waiting import Naps
from celeriac.backends.tabled import Tabled


class SQLiteBackend(Tabled):
    """Keeps results, groups and chords in the file of `sqlite:///path`.

    Results expire after `result_expires` (failures after `result_failure_expires`): a read never gives an
    expired one, and writers delete them as they go, without any schedule. An unfinished chord is kept until
    it fires, or for `result_chord_expires` after its last news where that is set.

    ResultsUnavailable: the file is locked or full, or input or output failed.
    """

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(app, url=url, **kwargs)
        self.be_patient()
        self.file = ResultsFile(path_of(url or ""))
        self.place = str(self.file.path)
        self.rows = ResultRows(self.file)

    @cached_property
    def chords(self) -> Chords:
        """The chords of the file."""
        return Chords(
            self.file, keep_s=self.keep_chords_s, keep_fired_s=self.keep_chords_s or self.expires or None
        )

    @contextmanager
    def watching(self, task_ids: Iterable[str]) -> Iterator[Watch]:
        """Look at the file now and then."""
        yield Naps(lambda: self._ensure_retryable(self.file.change_count))
