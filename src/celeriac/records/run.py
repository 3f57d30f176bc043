"""A task run as the records hold it: what was seen of a task, joined so that order and repetition do not matter.

A run is the set of its sightings. Joining two runs of one task is the union, which is associative, commutative and
idempotent; its state is worked out from the whole set and never from which sighting came last.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

RunState = Literal[
    "sent", "received", "running", "returned", "retrying",
    "rejected", "revoked", "expired", "failed", "dead", "succeeded",
]  # fmt: skip
RUN_STATES: tuple[RunState, ...] = get_args(RunState)
#: the states a run ends in; of several, the later one here stands, as Celery's precedence has it
FINAL: tuple[RunState, ...] = ("rejected", "revoked", "expired", "failed", "dead", "succeeded")
#: sightings a run keeps, the newest: a task that is retried without end must not fill the disk
SIGHTINGS_MAX = 40

_RANK: dict[str, int] = {state: rank for rank, state in enumerate(RUN_STATES)}


class Sighting(msgspec.Struct, frozen=True, array_like=True):
    """The task was seen in a state.

    at: epoch seconds, by the clock of the host it was seen on.
    attempt: which run of its message and retries, 1 first; None: nobody said.
    generation: replays behind its message.
    sent_at: when the message was sent that this attempt is of; None: nobody said.
    run_s: how long it ran, of a success.
    """

    at: float
    state: RunState
    worker: str | None = None
    attempt: int | None = None
    generation: int = 0
    sent_at: float | None = None
    run_s: float | None = None


class Description(msgspec.Struct, frozen=True, array_like=True):
    """What a task is. Of two, the fuller one stands, of two as full the newer one.

    is_full: the message itself was seen, and not only something that happened to it.
    at: epoch seconds when it was said; eta, expires_at: likewise, as the sender set them.
    replay_of: the letter it was replayed from.
    args, kwargs: written out, as far as the plan lets them be kept.
    """

    is_full: bool = False
    at: float = 0.0
    task: str | None = None
    queue: str | None = None
    eta: float | None = None
    expires_at: float | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    replay_of: str | None = None
    args: str | None = None
    kwargs: str | None = None


class Mishap(msgspec.Struct, frozen=True, array_like=True):
    """The last exception of a run. at: epoch seconds."""

    at: float
    error: str | None = None
    traceback: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one task.

    history: sorted, without repetition; at least one.
    """

    task_id: str
    history: tuple[Sighting, ...]
    description: Description = Description()
    mishap: Mishap | None = None


def joined(one: Run, other: Run) -> Run:
    """Give the run of which both tell.

    The order of the two, and telling the same twice, make no difference.
    """
    parents = [it.description.parent_id for it in (one, other) if it.description.parent_id is not None]
    described = max(one.description, other.description, key=_fullness)
    mishaps = [mishap for mishap in (one.mishap, other.mishap) if mishap is not None]
    return Run(
        task_id=one.task_id,
        history=in_order((*one.history, *other.history)),
        # A retry names itself as its parent, which nobody records: whoever knew the parent once is believed.
        description=msgspec.structs.replace(described, parent_id=max(parents, default=None)),
        mishap=max(mishaps, key=lambda it: _sortable(msgspec.structs.astuple(it))) if mishaps else None,
    )


def in_order(sightings: tuple[Sighting, ...]) -> tuple[Sighting, ...]:
    """Sort sightings by when they happened, each once, the newest `SIGHTINGS_MAX`."""
    return tuple(sorted(set(sightings), key=_place)[-SIGHTINGS_MAX:])


def _place(sighting: Sighting) -> tuple[object, ...]:
    return (
        sighting.generation,
        sighting.at,
        _RANK[sighting.state],
        _sortable(msgspec.structs.astuple(sighting)),
    )


def _fullness(description: Description) -> tuple[object, ...]:
    own = msgspec.structs.replace(description, parent_id=None)
    return (description.is_full, description.at, _sortable(msgspec.structs.astuple(own)))


def _sortable(values: tuple[object, ...]) -> tuple[tuple[bool, object], ...]:
    """Make any two tuples of the same fields comparable, None before everything."""
    return tuple((value is not None, value if value is not None else 0) for value in values)


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are meant; every field that is given must hold.

    task, worker: globs, with * and ?.
    seen_after, seen_before: epoch seconds of the last that was seen of it; after includes the moment, before does not.
    ran_s: it ran at least this long.
    text: in its task name, arguments, error or traceback, whatever the case.
    root_id: runs that came of this task, itself included.
    """

    task: str | None = None
    states: tuple[RunState, ...] | None = None
    queue: str | None = None
    worker: str | None = None
    seen_after: float | None = None
    seen_before: float | None = None
    ran_s: float | None = None
    text: str | None = None
    root_id: str | None = None
    group_id: str | None = None
