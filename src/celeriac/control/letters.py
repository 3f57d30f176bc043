"""What an operator does with dead letters: list, show, mend, replay, discard and export them, one or many."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from kombu.exceptions import OperationalError

from celeriac.app.hooking import tell_of_letters
from celeriac.clock import SYSTEM, Clock
from celeriac.deadletters import (
    Call,
    Change,
    Recorder,
    Replayer,
    Unreadable,
    call_of,
    edit,
    editable,
    found,
    settled,
)
from celeriac.errors import BrokerError, CeleriacError, LetterError
from celeriac.plan import Plan
from celeriac.records import Letter, LetterCount, LetterFilter, Records, State
from celeriac.security import guard_of

if TYPE_CHECKING:
    from celery import Celery

#: the states that still want a decision
OPEN: tuple[State, ...] = ("waiting", "replaying")
_PAGE = 200
_CATCH_UP_S = 5.0


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """One letter with what its message calls.

    call: None if it cannot be read; unreadable says why.
    children: letters of its replay, which died again.
    """

    letter: Letter
    call: Call | None
    unreadable: str | None
    children: tuple[str, ...]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One letter a verb could not be done to, and why."""

    letter: str
    error: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb came to: the letters it was done to (with `dry_run`, would be), and those it failed on."""

    done: tuple[str, ...]
    failed: tuple[Failure, ...]


def letter_filter(
    *,
    ids: Sequence[str] | None = None,
    task: str | None = None,
    queue: str | None = None,
    reason: str | None = None,
    states: Sequence[State] | None = OPEN,
    older_than: timedelta | None = None,
    newer_than: timedelta | None = None,
    clock: Clock = SYSTEM,
) -> LetterFilter:
    """Make a filter as people say it; ages count from the task's death.

    task: a glob with * and ?. states: None for all of them.
    """
    now = clock.wall()
    return LetterFilter(
        ids=None if ids is None else tuple(ids),
        task=task,
        queue=queue,
        reason=reason,
        states=None if states is None else tuple(states),
        died_before=None if older_than is None else now - older_than.total_seconds(),
        died_after=None if newer_than is None else now - newer_than.total_seconds(),
    )


class Letters:
    """The letters of one project. Every method raises RecordsError if the records cannot be used."""

    def __init__(self, plan: Plan, app: Callable[[], Celery], clock: Clock = SYSTEM) -> None:
        """app: asked for only by what needs the broker or the app's settings."""
        self._plan = plan
        self._load_app = app
        self._clock = clock

    def catch_up(self, timeout_s: float = _CATCH_UP_S) -> int:
        """Record what waits in the letters queue, so that it is seen though no recorder runs; say how many.

        Raises: BrokerError if the broker cannot be reached.
        """
        recorder = Recorder(
            self._app,
            self._records,
            queue=self._plan.letters.queue,
            clock=self._clock,
            on_new=tell_of_letters(self._app),
        )
        try:
            return recorder.catch_up(timeout_s)
        except (OperationalError, OSError) as error:
            raise BrokerError(
                "BROKER-020",
                f"the broker cannot be reached: {error}",
                at=self._plan.broker,
                fix="start it; letters that still wait in their queue are not listed until then",
            ) from error

    def page(
        self, wanted: LetterFilter, limit: int = 50, after: Letter | None = None, skip: int = 0
    ) -> list[Letter]:
        """Give a page of letters, newest first, after the last letter of the page before or past `skip` others."""
        return self._records.find(wanted, limit, after, skip)

    def tasks(self) -> list[str]:
        """Give the names of tasks that have letters, in order; the first hundred."""
        return self._records.tasks()

    def count(self, wanted: LetterFilter) -> int:
        """Count letters."""
        return self._records.count(wanted)

    def counts(self, wanted: LetterFilter) -> list[LetterCount]:
        """Count letters by state, reason, task and queue."""
        return self._records.counts(wanted)

    def resolve(self, prefix: str) -> str:
        """Give the one id that starts with `prefix`.

        Raises: LetterError if there is none, or more than one.
        """
        ids = self._records.with_prefix(prefix, limit=5)
        if prefix in ids:
            return prefix
        if len(ids) > 1:
            raise LetterError(
                "LETTER-015",
                f'"{prefix}" is the beginning of more than one letter.',
                known=ids,
                fix="write more of it",
            )
        return ids[0] if ids else found(self._records, prefix).id

    def show(self, letter_id: str) -> LetterView:
        """Give one letter with its call.

        Raises: LetterError if there is none.
        """
        letter = found(self._records, letter_id)
        children = tuple(self._records.ids(LetterFilter(replay_of=letter.id)))
        try:
            call = call_of(letter, self._app.conf.accept_content, guard_of(self._app))
        except Unreadable as error:
            return LetterView(letter=letter, call=None, unreadable=str(error), children=children)
        return LetterView(letter=letter, call=call, unreadable=None, children=children)

    def editable(self, letter_id: str) -> Call:
        """Give the call to begin an edit with; an empty one if the message cannot be read."""
        return editable(self._waiting(letter_id), self._app)

    def edit(self, letter_id: str, change: Change) -> Letter:
        """Mend a letter and give it as it is now; its original message is kept.

        Raises: LetterError if it is not waiting, was edited meanwhile, or the change has no place in it.
        """
        letter = self._waiting(letter_id)
        if not self._records.amend(edit(letter, change, self._app), letter.edited_at):
            raise LetterError(
                "LETTER-016",
                f"letter {letter.id} was changed by somebody else meanwhile.",
                fix="look at it again: celeriac dead show",
            )
        return found(self._records, letter_id)

    def replay(
        self,
        ids: Sequence[str],
        *,
        queue: str | None = None,
        force: bool = False,
        dry_run: bool = False,
        on_progress: Callable[[], object] = lambda: None,
    ) -> Outcome:
        """Send these letters' messages once more; one that fails does not stop the rest.

        queue: another queue than the one each died on; force: see `Replayer.replay`.
        Raises: LetterError if the plan does not declare `queue`.
        """
        if queue is not None and self._plan.queues and queue not in self._plan.queues:
            raise LetterError(
                "LETTER-017",
                f'the plan declares no queue "{queue}"; nobody would read it.',
                known=list(self._plan.queues),
                fix="name one of these",
            )
        replayer = Replayer(self._app, self._records, self._clock)
        try:
            if dry_run:
                return _each(ids, lambda each: replayer.check(each, force=force), on_progress)
            return _each(ids, lambda each: replayer.replay(each, queue=queue, force=force), on_progress)
        finally:
            replayer.close()

    def discard(
        self, ids: Sequence[str], *, dry_run: bool = False, on_progress: Callable[[], object] = lambda: None
    ) -> Outcome:
        """Set these letters down for good; they are kept as long as the plan says."""
        return _each(ids, self._waiting if dry_run else self._discard, on_progress)

    def matching(self, wanted: LetterFilter) -> list[str]:
        """Give the ids of the letters that match, oldest death first."""
        return self._records.ids(wanted)

    def export(self, wanted: LetterFilter) -> Iterator[dict[str, Any]]:
        """Give every letter that matches, newest first, as `document` does."""
        page = self._records.find(wanted, _PAGE)
        while page:
            for letter in page:
                yield self.document(letter)
            page = self._records.find(wanted, _PAGE, page[-1])

    def document(self, letter: Letter) -> dict[str, Any]:
        """Give all of a letter as plain JSON values: body in base64; call, None if it cannot be read."""
        fields = msgspec.structs.asdict(letter)
        fields["body"] = base64.b64encode(letter.body).decode()
        try:
            fields["call"] = msgspec.structs.asdict(
                call_of(letter, self._app.conf.accept_content, guard_of(self._app))
            )
        except Unreadable:
            fields["call"] = None
        return fields

    def close(self) -> None:
        """Let go of the records."""
        self._records.close()

    @cached_property
    def _records(self) -> Records:
        return Records(self._plan.state, self._plan.folder, self._clock)

    @cached_property
    def _app(self) -> Celery:
        return self._load_app()

    def _waiting(self, letter_id: str) -> Letter:
        letter = found(self._records, letter_id)
        if letter.state in ("replayed", "discarded"):
            raise settled(letter)
        if letter.state == "replaying":
            raise LetterError(
                "LETTER-018",
                f"letter {letter.id} is being replayed, or its replay broke off in the middle.",
                fix="finish it first: celeriac dead replay",
            )
        return letter

    def _discard(self, letter_id: str) -> None:
        if not self._records.discard(self._waiting(letter_id).id):
            self._waiting(letter_id)  # raises: somebody was faster


def _each(ids: Sequence[str], verb: Callable[[str], object], on_progress: Callable[[], object]) -> Outcome:
    done: list[str] = []
    failed: list[Failure] = []
    for each in ids:
        try:
            verb(each)
        except CeleriacError as error:
            failed.append(Failure(letter=each, error=str(error)))
        else:
            done.append(each)
        on_progress()
    return Outcome(done=tuple(done), failed=tuple(failed))
