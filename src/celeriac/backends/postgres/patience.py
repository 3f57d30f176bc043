"""A connection to PostgreSQL that waits for no answer longer than its deadline, also of a server that is frozen."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Generator
from typing import Any

from celeriac.errors import ResultsError

if importlib.util.find_spec("psycopg") is None:
    raise ResultsError(
        "RESULT-030",
        "results on PostgreSQL need the driver psycopg, which is not installed.",
        fix="pip install 'celeriac[postgres]'",
    )

from psycopg import Connection, OperationalError

#: what says that the server cannot be reached, or has said so itself
Lost = OperationalError

#: how long the server may take to answer, seconds
ANSWER_S = 10.0


class PatientConnection(Connection[Any]):
    """psycopg's own, with a bound on each wait; one that was in vain ends the connection.

    Raises: psycopg's OperationalError.
    """

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("timeout") is not None:
            return super().wait(gen, *args, **kwargs)  # somebody listens, for as long as he likes
        try:
            return super().wait(_bounded(gen, time.monotonic() + ANSWER_S), *args, **kwargs)
        except _NoAnswerError:
            self.pgconn.finish()
            raise Lost(f"no answer within {ANSWER_S:.0f} s") from None


class _NoAnswerError(Exception):
    pass


def _bounded(steps: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    """Pass the steps of a wait on; psycopg resumes them a few times a second though nothing came (Ready.NONE is 0)."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise _NoAnswerError
            wanted = steps.send(ready)
    except StopIteration as done:
        return done.value
