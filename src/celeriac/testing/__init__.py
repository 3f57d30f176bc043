"""Public means to test a project's tasks; nothing in celeriac imports it.

In flow a Celery app and a mode; out flow tasks that run inline, on a worker in a thread or in a process, on a broker
in a folder of the test's own, and assertions on what was sent, retried and dead-lettered. `bench` is all of it as a
context manager; the pytest plugin gives it as fixtures. A worker that cannot start raises TestingError with its last
lines.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celeriac.testing.bench import Bench, Mode, bench
    from celeriac.testing.expect import Expect
    from celeriac.testing.journal import Retrying, Sending
    from celeriac.testing.letters import DeadLetter, ExpectLetters

__all__ = ["Bench", "DeadLetter", "Expect", "ExpectLetters", "Mode", "Retrying", "Sending", "bench"]

_ROOMS = {
    "Bench": "bench",
    "DeadLetter": "letters",
    "Expect": "expect",
    "ExpectLetters": "letters",
    "Mode": "bench",
    "Retrying": "journal",
    "Sending": "journal",
    "bench": "bench",
}


def __getattr__(name: str) -> Any:
    # The plugin lives in this package and is loaded by every pytest run: Celery is imported by the first test that
    # asks for a bench.
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
