"""The words of `celeriac why`: one sentence for where a task is, or for how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from celeriac.control.broker import is_alive
from celeriac.control.pacing import Place
from celeriac.plan import Plan
from celeriac.records import Letter
from celeriac.transports.view import Whereabouts

Verdict = Literal[
    "waiting", "delayed", "retrying", "fetched", "running", "succeeded", "failed", "dead", "discarded",
    "revoked", "expired", "lost-sight", "unknown",
]  # fmt: skip

#: verdict, sentence, and what can be done about it
Worded = tuple[Verdict, str, str | None]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the result backend says: Celery's state, its result or error, and when it was written."""

    state: str
    result: Any
    done: str | None


def at_the_broker(
    plan: Plan,
    where: Whereabouts,
    outcome: Outcome,
    readers: Mapping[str, int],
    place: Place | None = None,
) -> Worded:
    """Word where a task waits, or who works on it.

    readers: queue → live consumers. place: in the line of its rate.
    """
    name = where.task or "The task"
    if where.queue == plan.letters.queue:
        return "dead", f"{name} is dead; its letter waits for the recorder.", "start it: celeriac recorder"
    unread = not readers.get(where.queue)
    next_step = f"nobody reads {where.queue}: start a worker of a pool that does" if unread else None
    if where.state in ("fetched", "running"):
        return _with_a_worker(name, where, next_step)
    nobody = ", and nobody reads that queue" if unread else ""
    if where.state == "delayed":
        due = f"until {say_moment(where.due_at)}" if where.due_at else "for its time"
        if place is not None and place.due_at is not None:
            due = f"until {say_moment(place.due_at)}, when its place in the rate of {place.rate} is due"
            return "delayed", f"{name} waits {due}{nobody}.", next_step
        if outcome.state == "RETRY":
            return "retrying", f"{name} failed and waits {due} to be tried again{nobody}.", next_step
        return "delayed", f"{name} waits {due} in queue {where.queue}{nobody}.", next_step
    ahead = f"behind {where.ahead} other{'s' * (where.ahead > 1)}" if where.ahead else "next in line"
    verdict: Verdict = "retrying" if outcome.state == "RETRY" else "waiting"
    return verdict, f"{name} waits in queue {where.queue}, {ahead}{nobody}.", next_step


def _with_a_worker(name: str, where: Whereabouts, next_step: str | None) -> Worded:
    consumer = where.consumer
    who = consumer.name if consumer else "a worker"
    if consumer is not None and not is_alive(consumer):
        returns = f"it goes back to queue {where.queue} seconds after any worker is there to notice"
        return "waiting", f"{name} was with {who}, which has died; {returns}.", next_step
    if where.state == "running":
        return "running", f"{name} is running on {who}.", None
    return "fetched", f"{name} is with {who}, behind what that worker runs now.", None


def in_the_letters(letter: Letter) -> Worded:
    """Word why a task is dead."""
    name = letter.task or "The task"
    because = {
        "failed": f"it failed{_times(letter.attempts)}",
        "timeout": "it ran past its hard time limit",
        "poison": f"it ended its worker{_times(letter.deliveries)}",
        "malformed": "its message cannot be read as a task",
        "unknown-task": "no worker knows a task of that name",
        "rejected": "it rejected itself",
        "forged": "its message is not what a program of this plan sent",
        "forbidden": "its sender may not send it",
        "unreadable": "it is sealed with a key that is not here",
    }.get(letter.reason, letter.reason)
    error = ""
    if letter.exception:
        error = ": " + inside(f"{letter.exception.removeprefix('builtins.')}: {letter.message}")
    if letter.state == "discarded":
        return "discarded", f"{name} is dead because {because}{error}, and its letter was discarded.", None
    return (
        "dead",
        f"{name} is dead because {because}{error}.",
        f"see celeriac dead show {letter.id}, then replay it: celeriac dead replay {letter.id}",
    )


def ended(outcome: Outcome, letters: list[Letter], *, is_broker_seen: bool) -> Worded:
    """Word how a task ended that is neither at the broker nor dead."""
    when = f" at {_say_done(outcome.done)}" if outcome.done else ""
    again = ", after it was replayed" if letters else ""
    if outcome.state == "SUCCESS":
        return "succeeded", f"It succeeded{when}{again}.", None
    if outcome.state == "FAILURE":
        return (
            "failed",
            f"It failed{when}: {inside(say_error(outcome.result))}. No letter was kept of it.",
            None,
        )
    if outcome.state == "REVOKED":
        if "expired" in str(outcome.result):
            return "expired", f"It expired{when}: no worker had started it in time.", None
        return "revoked", f"It was revoked{when}.", None
    return _unended(outcome, letters, is_broker_seen=is_broker_seen)


def _unended(outcome: Outcome, letters: list[Letter], *, is_broker_seen: bool) -> Worded:
    if not is_broker_seen:
        last = f"was last seen {outcome.state.lower()}" if outcome.state != "PENDING" else "is not known"
        return "unknown", f"It {last}; whether it waits at the broker cannot be said.", None
    if outcome.state in ("STARTED", "RETRY") or letters:
        return (
            "lost-sight",
            f"It was last seen {'replayed' if letters else outcome.state.lower()}, its message has left the "
            "broker, and no result was kept of it.",
            "if the task ignores its result, this is what a success looks like",
        )
    return (
        "unknown",
        "Nothing is known of this task: it is in no queue, has no result and no letter.",
        "a task that ignores its result leaves no trace when it succeeds, and results expire; check the id",
    )


def say_error(result: Any) -> str:
    """Write an error as "Class: message"."""
    return f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else str(result)


def inside(error: str) -> str:
    """Give an error's words as a part of a sentence, which brings a full stop of its own."""
    return error.rstrip().removesuffix(".").rstrip(" :")


def _say_done(done: object) -> str:
    """Write when a result was stored, which backends give as text or as a time, with or without its zone."""
    try:
        moment = datetime.fromisoformat(str(done))
    except ValueError:
        return str(done)
    return say_moment((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _times(count: int) -> str:
    return f" {count} times" if count > 1 else ""


def say_moment(seconds: float | None) -> str:
    """Write epoch seconds as a local time."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
