"""What the history says of a task that broker, results and letters know nothing of: one sentence for each state."""

from __future__ import annotations

from celeriac.control.runs import state_since, workers_of
from celeriac.control.verdict import Worded, inside, say_moment
from celeriac.records import RunState, Seen

_GONE = "its message has left the broker, and nothing was told of its end"
_UNTOLD = "the worker may have been killed just then, or its events were lost: see the log of that worker"


def remembered(seen: Seen, *, is_broker_seen: bool) -> Worded:
    """Word what was last seen of a task.

    is_broker_seen: the broker was looked into, and has no message of it.
    """
    name = seen.run.description.task or "The task"
    outcome = seen.outcome
    when = say_moment(outcome.ended_at)
    error = f": {inside(seen.run.mishap.error)}" if seen.run.mishap and seen.run.mishap.error else ""
    match outcome.state:
        case "succeeded":
            return "succeeded", f"{name} succeeded at {when}, {say_runs(seen)}; its result is not kept.", None
        case "failed" | "rejected":
            return (
                "failed",
                f"{name} failed at {when}, {say_runs(seen)}{error}. No letter was kept of it.",
                None,
            )
        case "dead":
            return "failed", f"{name} died at {when}, {say_runs(seen)}{error}. Its letter is settled.", None
        case "revoked":
            return "revoked", f"{name} was revoked at {when}.", None
        case "expired":
            return "expired", f"{name} expired at {when}: no worker had started it in time.", None
        case _:
            return _unended(name, seen, is_broker_seen=is_broker_seen)


def _unended(name: str, seen: Seen, *, is_broker_seen: bool) -> Worded:
    since = say_moment(state_since(seen))
    worker = seen.outcome.worker or "a worker"
    state: RunState = seen.outcome.state
    said = {
        "running": f"{name} was seen to begin on {worker} at {since}",
        "retrying": f"{name} has been retrying since {since}, after it ran {say_runs(seen)}",
        "received": f"{name} was received by {worker} at {since}",
        "returned": f"{name} was given back to its queue at {since}",
    }.get(state, f"{name} was sent at {since}")
    if is_broker_seen:
        return "lost-sight", f"{said}; {_GONE}.", _UNTOLD
    if state == "running":
        return "running", f"{said}, and nothing was told of its end yet.", None
    if state == "retrying":
        return "retrying", f"{said}.", None
    return "waiting", f"{said}, and was not seen to begin since.", None


def say_runs(seen: Seen) -> str:
    """Write how often a task ran, and where: "once, on web-1@host", "3 times, on web-1@host and web-2@host"."""
    attempts = seen.outcome.attempts
    workers = workers_of(seen)
    times = {0: "without having been seen to run", 1: "once"}.get(attempts, f"{attempts} times")
    if not workers or attempts == 0:
        return times
    listed = " and ".join(part for part in (", ".join(workers[:-1]), workers[-1]) if part)
    return f"{times}, on {listed}"


def facts_of(seen: Seen) -> dict[str, str]:
    """Give what the history adds to an answer, in the order worth reading."""
    outcome = seen.outcome
    facts = {"history": f"{outcome.state} since {say_moment(state_since(seen))}"}
    if outcome.attempts:
        facts["ran"] = say_runs(seen)
    if outcome.wait_s is not None:
        facts["waited"] = f"{outcome.wait_s:.3f}s before its last run"
    if outcome.run_s is not None:
        facts["run time"] = f"{outcome.run_s:.3f}s"
    retries = [sighting.at for sighting in seen.run.history if sighting.state == "retrying"]
    if retries and outcome.state not in ("succeeded",):
        facts["retrying since"] = say_moment(min(retries))
    return facts
