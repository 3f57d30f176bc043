"""The rate of a task: no more runs of it begin than the plan allows, over all workers."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from random import random

from celeriac.coordination import Coordination, Pace
from celeriac.errors import CoordinationError, NotNow
from celeriac.events import emit
from celeriac.units import Rate, rate, say_duration

#: how much of the unit the starts may be out of step; never more than a second
_SLACK, _MOST_SLACK = 10, timedelta(seconds=1)
#: while nothing can be known, how long to wait before asking again
_BLIND_WAIT = timedelta(seconds=5)
#: of what a store takes as a key, what is left beside the words around it
_KEY_CHARS = 150


def pace_of(said: Rate) -> Pace:
    """Give the pace that keeps a rate: no window of the unit, wherever it begins, sees more than `most` starts.

    The slack lets brokers deliver a little late without a place being lost. It is paid for by the pace, so that a
    window with all of the slack in it still has no more starts than it may.
    """
    slack = min(said.unit / _SLACK, _MOST_SLACK)
    # Rounded up to the microsecond: a pace that is too quick by less than that would be one start too many.
    return Pace(-((said.unit + slack) // -said.most), slack)


class SharedRate:
    """The rate of one task, as one process sees it; safe to use from several threads, and after a fork."""

    def __init__(self, plan: str, task: str, said: str, store: Coordination) -> None:
        """Take the rate that `said` of the task; `plan` is the plan's name, so that plans may share a store.

        Raises: ValueError if it is none.
        """
        self._task = task
        self._said = said
        self._pace = pace_of(rate(said))
        self._store = store
        self._key = f"rate:{_fitting(f'{plan}:{task}')}"

    def enter(self, task_id: str, patience: timedelta | None, longest: timedelta | None) -> None:
        """Let a run of the task begin; it is counted.

        patience: when it expires; None: never. longest: it is to be asked again after this, wherever its place is.
        Raises: NotNow, with the time until its place, if it must wait, or the store cannot be asked.
        """
        try:
            wait = self._store.take_turn(self._key, _fitting(task_id), self._pace, patience)
        except CoordinationError as error:
            emit("flow", "rate.blind", task=self._task, error=error.message)
            raise NotNow(
                "FLOW-006",
                f"whether {self._task} may run within its rate of {self._said} cannot be told, so it waits: "
                f"{error.message}",
                wait=_BLIND_WAIT * (0.5 + random() / 2),  # noqa: S311 - spread, so that not all ask in one moment
                at=error.at,
                fix=error.fix,
            ) from error
        if wait:
            raise self._not_now(wait, patience, longest)

    def place(self, task_id: str) -> timedelta | None:
        """Say how long until the place of a task that waits; None if it has none.

        Raises: CoordinationError.
        """
        return self._store.place(self._key, _fitting(task_id))

    def _not_now(self, wait: timedelta, patience: timedelta | None, longest: timedelta | None) -> NotNow:
        after = say_duration(timedelta(seconds=max(round(wait.total_seconds()), 1)))
        if patience is not None and wait > patience:
            return NotNow(
                "FLOW-007",
                f"the rate of {self._said} has no place for it before it expires; the next is in {after}.",
                wait=patience,
                fix="write a higher rate or a longer expires, or send fewer",
            )
        return NotNow(
            "FLOW-005",
            f"its rate of {self._said} is reached; its place is in {after}.",
            wait=wait if longest is None else min(wait, longest),
            fix="wait; it runs when its place is due",
        )


def _fitting(name: str) -> str:
    """Make a part of a key of any text: itself, or what stands for it where it is too long."""
    return name if len(name) <= _KEY_CHARS else hashlib.sha256(name.encode()).hexdigest()
