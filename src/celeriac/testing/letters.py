"""The dead letters of a test, read and replayed through the same verbs as in production."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from celery import Celery

from celeriac.control.letters import Letters, letter_filter
from celeriac.plan import Plan
from celeriac.testing.expect import Expect


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A task that failed for good.

    letter: its id, as `celeriac dead` shows it; state: "waiting", "replayed" or "discarded".
    args, kwargs: None if the message cannot be read.
    """

    task: str | None
    id: str | None
    letter: str
    args: list[Any] | None
    kwargs: dict[str, Any] | None
    reason: str
    state: str
    queue: str
    exception: str | None
    message: str | None
    traceback: str | None
    attempts: int


class ExpectLetters(Expect[DeadLetter]):
    """Assertions over dead letters, oldest first, and their replay."""

    def __init__(self, letters: Letters, within: float, drain: Callable[[], None]) -> None:
        super().__init__("dead-lettered", self._all, within)
        self._letters = letters
        self._drain = drain

    def replay(self, task: Any = None, **expected: Any) -> int:
        """Replay the waiting letters that match and give how many that were; inline, they have run on return."""
        found = self.all(task, **{"state": "waiting", **expected})
        outcome = self._letters.replay([each.letter for each in found])
        if outcome.failed:
            raise AssertionError("\n".join(failure.error for failure in outcome.failed))
        self._drain()
        return len(outcome.done)

    def _all(self) -> list[DeadLetter]:
        self._letters.catch_up()
        ids = self._letters.matching(letter_filter(states=None))
        return [self._read_one(each) for each in ids]

    def _read_one(self, letter_id: str) -> DeadLetter:
        view = self._letters.show(letter_id)
        letter, call = view.letter, view.call
        return DeadLetter(
            task=letter.task,
            id=letter.task_id,
            letter=letter.id,
            args=None if call is None else list(call.args),
            kwargs=None if call is None else dict(call.kwargs),
            reason=letter.reason,
            state=letter.state,
            queue=letter.queue,
            exception=letter.exception,
            message=letter.message,
            traceback=letter.traceback,
            attempts=letter.attempts,
        )


@contextmanager
def reading_letters(
    app: Celery, plan: Plan, within: float, drain: Callable[[], None]
) -> Iterator[ExpectLetters]:
    """Give the letters of a redirected app; nothing is opened before they are asked for."""
    letters = Letters(plan, lambda: app)
    try:
        yield ExpectLetters(letters, within, drain)
    finally:
        letters.close()
