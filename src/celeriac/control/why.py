"""What happened to one task: the broker, the result and the letters, joined into one answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from celeriac.control.broker import called, count_readers, is_alive, viewing
from celeriac.plan import Plan
from celeriac.records import Letter, LetterFilter, Records
from celeriac.transports.view import Whereabouts
from celeriac.wire import letter_id

if TYPE_CHECKING:
    from celery import Celery

Verdict = Literal[
    "waiting", "delayed", "retrying", "fetched", "running", "succeeded", "failed", "dead", "discarded",
    "revoked", "expired", "lost-sight", "unknown",
]  # fmt: skip

#: replays of one task whose letters are looked for
_GENERATIONS = 100


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a task.

    sentence: the answer in plain language; facts: what it rests on, in the order worth reading.
    next_step: what can be done about it, if anything.
    looked_at: the places that were asked.
    """

    task_id: str
    verdict: Verdict
    sentence: str
    facts: dict[str, str]
    next_step: str | None
    looked_at: tuple[str, ...]


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    state: str
    result: Any
    done: str | None


def explain(plan: Plan, app: Celery, task_id: str) -> Answer:
    """Answer what happened to the task.

    Raises: BrokerError, RecordsError, or the result backend's own error, if a place cannot be asked.
    """
    with viewing(plan) as view:
        where = view.find(task_id)
        if where is not None and where.consumer is not None:
            where = replace(where, consumer=called(where.consumer))
        readers = count_readers(view)
    outcome = _outcome(app, task_id)
    with closing(Records(plan.state, plan.folder)) as records:
        wanted = LetterFilter(ids=tuple(letter_id(task_id, generation) for generation in range(_GENERATIONS)))
        letters = sorted(records.find(wanted, limit=_GENERATIONS), key=lambda it: it.generation)

    facts = _facts(where, outcome, letters)
    if where is not None:
        verdict, sentence, next_step = _at_the_broker(plan, where, outcome, readers)
    elif letters and letters[-1].state in ("waiting", "discarded"):
        verdict, sentence, next_step = _in_the_letters(letters[-1])
    else:
        verdict, sentence, next_step = _ended(outcome, letters)
    return Answer(
        task_id=task_id,
        verdict=verdict,
        sentence=sentence,
        facts=facts,
        next_step=next_step,
        looked_at=("the broker's queues", "the result backend", "the dead letters"),
    )


_Worded = tuple[Verdict, str, str | None]


def _at_the_broker(plan: Plan, where: Whereabouts, outcome: _Outcome, readers: Mapping[str, int]) -> _Worded:
    name = where.task or "The task"
    if where.queue == plan.letters.queue:
        return "dead", f"{name} is dead; its letter waits for the recorder.", "start it: celeriac recorder"
    unread = not readers.get(where.queue)
    next_step = f"nobody reads {where.queue}: start a worker of a pool that does" if unread else None
    if where.state in ("fetched", "running"):
        return _with_a_worker(name, where, next_step)
    nobody = ", and nobody reads that queue" if unread else ""
    if where.state == "delayed":
        due = f"until {_moment(where.due_at)}" if where.due_at else "for its time"
        if outcome.state == "RETRY":
            return "retrying", f"{name} failed and waits {due} to be tried again{nobody}.", next_step
        return "delayed", f"{name} waits {due} in queue {where.queue}{nobody}.", next_step
    ahead = f"behind {where.ahead} other{'s' * (where.ahead > 1)}" if where.ahead else "next in line"
    verdict: Verdict = "retrying" if outcome.state == "RETRY" else "waiting"
    return verdict, f"{name} waits in queue {where.queue}, {ahead}{nobody}.", next_step


def _with_a_worker(name: str, where: Whereabouts, next_step: str | None) -> _Worded:
    consumer = where.consumer
    who = consumer.name if consumer else "a worker"
    if consumer is not None and not is_alive(consumer):
        returns = f"it goes back to queue {where.queue} seconds after any worker is there to notice"
        return "waiting", f"{name} was with {who}, which has died; {returns}.", next_step
    if where.state == "running":
        return "running", f"{name} is running on {who}.", None
    return "fetched", f"{name} is with {who}, behind what that worker runs now.", None


def _in_the_letters(letter: Letter) -> _Worded:
    name = letter.task or "The task"
    because = {
        "failed": f"it failed{_times(letter.attempts)}",
        "timeout": "it ran past its hard time limit",
        "poison": f"it ended its worker{_times(letter.deliveries)}",
        "malformed": "its message cannot be read as a task",
        "unknown-task": "no worker knows a task of that name",
        "rejected": "it rejected itself",
    }.get(letter.reason, letter.reason)
    error = f": {letter.exception.removeprefix('builtins.')}: {letter.message}" if letter.exception else ""
    if letter.state == "discarded":
        return "discarded", f"{name} is dead because {because}{error}, and its letter was discarded.", None
    return (
        "dead",
        f"{name} is dead because {because}{error}.",
        f"see celeriac dead show {letter.id}, then replay it: celeriac dead replay {letter.id}",
    )


def _ended(outcome: _Outcome, letters: list[Letter]) -> _Worded:
    when = f" at {outcome.done}" if outcome.done else ""
    again = ", after it was replayed" if letters else ""
    if outcome.state == "SUCCESS":
        return "succeeded", f"It succeeded{when}{again}.", None
    if outcome.state == "FAILURE":
        return "failed", f"It failed{when}: {_error(outcome.result)}. No letter was kept of it.", None
    if outcome.state == "REVOKED":
        if "expired" in str(outcome.result):
            return "expired", f"It expired{when}: no worker had started it in time.", None
        return "revoked", f"It was revoked{when}.", None
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


def _outcome(app: Celery, task_id: str) -> _Outcome:
    meta = app.backend.get_task_meta(task_id)
    done = meta.get("date_done")
    return _Outcome(
        state=str(meta.get("status") or "PENDING"),
        result=meta.get("result"),
        done=None if done is None else str(done),
    )


def _facts(where: Whereabouts | None, outcome: _Outcome, letters: list[Letter]) -> dict[str, str]:
    facts: dict[str, str] = {}
    if where is not None:
        facts["queue"] = where.queue
        facts["sent"] = f"{_moment(where.sent_at)}, {max(time.time() - where.sent_at, 0):.0f}s ago"
        if where.deliveries:
            facts["deliveries"] = f"{where.deliveries} ended with the worker's death"
        if where.consumer is not None:
            facts["worker"] = f"{where.consumer.name}, process {where.consumer.pid} on {where.consumer.host}"
    if outcome.state != "PENDING":
        facts["result"] = outcome.state
        if outcome.state in ("FAILURE", "RETRY"):
            facts["error"] = _error(outcome.result)
    for letter in letters:
        facts[f"letter {letter.id}"] = f"{letter.reason}, {letter.state}, died {_moment(letter.died_at)}"
    return facts


def _error(result: Any) -> str:
    return f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else str(result)


def _times(count: int) -> str:
    return f" {count} times" if count > 1 else ""


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
