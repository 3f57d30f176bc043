"""What a run comes to: its state, times and counts, worked out from all that was seen of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from celeriac.records.run import FINAL, RUN_STATES, Run, RunState, Sighting

#: Celery's senders tell of a message once the broker has it, when a quick worker may have ended its task, seconds
_TOLD_LATE_S = 1.0
_RANK = {state: rank for rank, state in enumerate(RUN_STATES)}


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands. Times are epoch seconds, spans seconds; None where nothing was seen of it.

    Of a task that was replayed, or whose id was used again after it had ended, all but `seen_at` are of its last life.

    attempts: how often it began to run.
    began_at: the first that was seen of it; seen_at: the last.
    wait_s: how long the last attempt could have run before it did, from being sent or from its eta.
    run_s: how long the last attempt ran.
    """

    state: RunState
    worker: str | None
    attempts: int
    generation: int
    began_at: float
    seen_at: float
    sent_at: float | None
    received_at: float | None
    started_at: float | None
    ended_at: float | None
    wait_s: float | None
    run_s: float | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A run on record, and where it stands."""

    run: Run
    outcome: RunOutcome


def outcome_of(run: Run) -> RunOutcome:
    """Work out where a run stands."""
    life = last_life(run.history)
    finals = [sighting for sighting in life if sighting.state in FINAL]
    standing = max(finals, key=lambda it: (_RANK[it.state], it.at)) if finals else _latest(life)
    started = _last(life, "running")
    received = _last(life, "received")
    sent_at = next((it.sent_at for it in reversed(life) if it.sent_at is not None), None)
    workers = [it.worker for it in (standing, started, received) if it is not None and it.worker]
    return RunOutcome(
        state=standing.state,
        worker=workers[0] if workers else None,
        attempts=_attempts(life),
        generation=standing.generation,
        began_at=min(it.at for it in life),
        seen_at=max(it.at for it in run.history),
        sent_at=sent_at,
        received_at=received.at if received else None,
        started_at=started.at if started else None,
        ended_at=standing.at if finals else None,
        wait_s=_wait_s(started, sent_at, run.description.eta),
        run_s=_run_s(life, started, standing),
    )


def last_life(history: Sequence[Sighting]) -> list[Sighting]:
    """Give what was seen since the task was last sent anew: replayed, or its id used again after it had ended."""
    life: list[Sighting] = []
    ended_at: float | None = None
    for sighting in history:
        is_replayed = bool(life) and sighting.generation != life[-1].generation
        is_sent_after_its_end = (
            ended_at is not None
            and sighting.sent_at is not None
            and sighting.sent_at > ended_at + (_TOLD_LATE_S if sighting.state == "sent" else 0.0)
            and all(sighting.sent_at != earlier.sent_at for earlier in life)
        )
        if is_replayed or is_sent_after_its_end:
            life, ended_at = [], None
        life.append(sighting)
        if sighting.state in FINAL:
            ended_at = sighting.at
    return life


def _latest(life: Sequence[Sighting]) -> Sighting:
    # Clocks of hosts differ; where every attempt is numbered, a later one is later whatever its clock says, and to be
    # sent is the first that happens to each.
    is_numbered = all(it.attempt is not None for it in life)
    return max(
        life,
        key=lambda it: (
            ((it.attempt or 0), it.state != "sent") if is_numbered else (0, True),
            it.at,
            _RANK[it.state],
        ),
    )


def _last(life: Sequence[Sighting], state: RunState) -> Sighting | None:
    found = [sighting for sighting in life if sighting.state == state]
    return _latest(found) if found else None


def _attempts(life: Sequence[Sighting]) -> int:
    starts = [sighting for sighting in life if sighting.state == "running"]
    # Counted both ways: a lost event hides a start, and a dead worker's task starts again in the same attempt.
    return max(
        len(starts), max((it.attempt or 0 for it in life if it.state not in ("sent", "received")), default=0)
    )


def _wait_s(started: Sighting | None, sent_at: float | None, eta: float | None) -> float | None:
    if started is None or sent_at is None:
        return None
    # Clocks of hosts differ; a negative wait is none.
    return max(started.at - max(sent_at, eta or 0.0), 0.0)


def _run_s(life: Sequence[Sighting], started: Sighting | None, standing: Sighting) -> float | None:
    if standing.run_s is not None:
        return standing.run_s
    if started is None:
        return None
    stops = [it.at for it in life if it.state in (*FINAL, "retrying", "returned") and it.at >= started.at]
    return min(stops) - started.at if stops else None
