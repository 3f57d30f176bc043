"""The history of task runs: listed, shown with what they are part of, and followed as it grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property

import msgspec

from celeriac.clock import SYSTEM, Clock
from celeriac.errors import RecordsError
from celeriac.plan import Plan
from celeriac.records import (
    Letter,
    LetterFilter,
    Records,
    Run,
    RunFilter,
    RunOutcome,
    Runs,
    RunState,
    Seen,
    last_life,
)

#: what `--failed` means
FAILED: tuple[RunState, ...] = ("failed", "dead", "rejected")
#: how far back a follower looks for what was told late, by workers whose clock is behind
_LATE_S = 10.0
_FOLLOW_EVERY_S = 0.5
_PAGE = 500


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One run with what it is part of.

    letters: its letters, newest first; family: runs that came of the same root task, itself left out.
    family_count: how many these are in all.
    """

    seen: Seen
    letters: tuple[Letter, ...]
    family: tuple[Seen, ...]
    family_count: int


def run_filter(
    *,
    task: str | None = None,
    states: tuple[RunState, ...] | None = None,
    queue: str | None = None,
    worker: str | None = None,
    since: timedelta | float | None = None,
    until: timedelta | float | None = None,
    slow: timedelta | None = None,
    text: str | None = None,
    root_id: str | None = None,
    clock: Clock = SYSTEM,
) -> RunFilter:
    """Make a filter as people say it.

    since, until: how long ago something was last seen of a run, or epoch seconds. slow: ran at least this long.
    """
    return RunFilter(
        task=task,
        states=states,
        queue=queue,
        worker=worker,
        seen_after=_moment(since, clock),
        seen_before=_moment(until, clock),
        ran_s=None if slow is None else slow.total_seconds(),
        text=text,
        root_id=root_id,
    )


def _moment(when: timedelta | float | None, clock: Clock) -> float | None:
    return clock.wall() - when.total_seconds() if isinstance(when, timedelta) else when


class History:
    """The runs of one project. Every method raises RecordsError if the records cannot be used."""

    def __init__(self, plan: Plan, clock: Clock = SYSTEM) -> None:
        self._plan = plan
        self._clock = clock

    @property
    def is_kept(self) -> bool:
        """Whether the plan has runs recorded now; what is on record already can be read all the same."""
        return self._plan.records is not None

    def page(
        self, wanted: RunFilter, limit: int = 50, after: Seen | None = None, skip: int = 0
    ) -> list[Seen]:
        """Give a page of runs, those seen last first, after the last run of the page before or past `skip` others."""
        return self._runs.find(wanted, limit, after, skip)

    def count(self, wanted: RunFilter, at_most: int | None = None) -> int:
        """Count runs, at most so many."""
        return self._runs.count(wanted, at_most)

    def with_prefix(self, prefix: str, limit: int = 50) -> list[Seen]:
        """Give the runs whose task id starts with `prefix`, in the order of their ids."""
        found = (self._runs.get(each) for each in self._runs.with_prefix(prefix, limit))
        return [each for each in found if each is not None]

    def get(self, task_id: str) -> Seen | None:
        """Give the run of a task, None if none is on record."""
        return self._runs.get(task_id)

    def show(self, prefix: str, relatives: int = 20) -> RunView:
        """Give the one run whose task id starts with `prefix`, and at most so many of its relatives.

        Raises: RecordsError if there is none, or more than one.
        """
        seen = self._runs.get(self._resolve(prefix))
        if seen is None:  # pruned in this very moment
            raise self._unknown(prefix)
        root = seen.run.description.root_id or seen.run.task_id
        wanted = RunFilter(root_id=root)
        family = [
            each for each in self._runs.find(wanted, relatives + 1) if each.run.task_id != seen.run.task_id
        ]
        return RunView(
            seen=seen,
            letters=tuple(self._letters.find(LetterFilter(task_id=seen.run.task_id), limit=10)),
            family=tuple(family[:relatives]),
            family_count=max(self._runs.count(wanted) - 1, len(family)),
        )

    def follow(self, wanted: RunFilter) -> Iterator[Seen]:
        """Give runs whenever more is seen of them, from now on, without end."""
        shown: dict[str, Run] = {}
        since = self._clock.wall()
        for each in self._since(wanted, since - _LATE_S):
            shown[each.run.task_id] = each.run
        while True:
            for each in self._since(wanted, since - _LATE_S):
                if shown.get(each.run.task_id) != each.run:
                    shown[each.run.task_id] = each.run
                    yield each
            since = self._clock.wall()
            shown = {name: run for name, run in shown.items() if run.history[-1].at >= since - 2 * _LATE_S}
            time.sleep(_FOLLOW_EVERY_S)

    def close(self) -> None:
        """Let go of the records."""
        self._runs.close()
        self._letters.close()

    def _since(self, wanted: RunFilter, at: float) -> list[Seen]:
        narrowed = msgspec.structs.replace(wanted, seen_after=max(at, wanted.seen_after or 0.0))
        found = page = self._runs.find(narrowed, _PAGE)
        while len(page) == _PAGE:
            page = self._runs.find(narrowed, _PAGE, page[-1])
            found = found + page
        return found[::-1]

    def _resolve(self, prefix: str) -> str:
        ids = self._runs.with_prefix(prefix, limit=5)
        if prefix in ids or len(ids) == 1:
            return prefix if prefix in ids else ids[0]
        if ids:
            raise RecordsError(
                "RECORD-010",
                f'"{prefix}" is the beginning of more than one task id.',
                known=ids,
                fix="write more of it",
            )
        raise self._unknown(prefix)

    def _unknown(self, prefix: str) -> RecordsError:
        fix = "see celeriac runs; celeriac why also asks the broker and the results"
        if not self.is_kept:
            fix = "add a table [records] to the plan; celeriac why also asks the broker and the results"
        return RecordsError("RECORD-011", f'no run of a task "{prefix}" is on record.', fix=fix)

    @cached_property
    def _runs(self) -> Runs:
        return Runs(self._plan.state, self._plan.folder, self._clock)

    @cached_property
    def _letters(self) -> Records:
        return Records(self._plan.state, self._plan.folder, self._clock)


def document(seen: Seen) -> dict[str, object]:
    """Give a run as plain JSON values: where it stands, what it is, and everything that was seen of it."""
    run, outcome = seen.run, seen.outcome
    described = msgspec.structs.asdict(run.description)
    for hidden in ("is_full", "at"):
        del described[hidden]
    return {
        "task_id": run.task_id,
        **msgspec.structs.asdict(outcome),
        **described,
        "error": run.mishap.error if run.mishap else None,
        "traceback": run.mishap.traceback if run.mishap else None,
        "history": [msgspec.structs.asdict(sighting) for sighting in run.history],
    }


def workers_of(seen: Seen) -> list[str]:
    """Name the workers that a run began on in its last life, each once, in order."""
    began = [it.worker for it in last_life(seen.run.history) if it.state == "running" and it.worker]
    return list(dict.fromkeys(began))


def state_since(seen: Seen) -> float:
    """Say since when a run has been in its state, in epoch seconds."""
    outcome: RunOutcome = seen.outcome
    return max(
        (it.at for it in last_life(seen.run.history) if it.state == outcome.state), default=outcome.seen_at
    )
