"""What happened to one task: the broker, the result, the letters and the history, joined into one answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
from celery.states import READY_STATES
from msgspec.structs import replace

from celeriac.control.broker import called, count_readers, viewing
from celeriac.control.pacing import place_of
from celeriac.control.remembered import facts_of, remembered
from celeriac.control.verdict import (
    Outcome,
    Verdict,
    at_the_broker,
    ended,
    in_the_letters,
    say_error,
    say_moment,
)
from celeriac.errors import BrokerError
from celeriac.plan import Plan
from celeriac.records import Letter, LetterFilter, Records, Runs, Seen
from celeriac.transports.view import Whereabouts
from celeriac.wire import UNPROVEN

if TYPE_CHECKING:
    from celery import Celery

#: the newest letters of one task that are looked at
_LETTERS = 100


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


def explain(plan: Plan, app: Celery, task_id: str) -> Answer:
    """Answer what happened to the task.

    A broker that cannot be looked into is a fact of the answer: the other places may still know.
    Raises: RecordsError, or the result backend's own error, if one of these cannot be asked.
    """
    where, readers, unseen = _look(plan, task_id)
    outcome = _outcome(app, task_id)
    with closing(Records(plan.state, plan.folder)) as records:
        # By the task's id: a letter whose own id was taken by an earlier death has one that cannot be worked out.
        found = records.find(LetterFilter(task_id=task_id), limit=_LETTERS)
        letters = sorted(found, key=lambda it: (it.generation, it.died_at))
    # Anybody can write a task id: where the task itself has ended, a message that proves nothing is not it.
    proven = [it for it in letters if it.reason not in UNPROVEN]
    own = proven if proven or outcome.state in READY_STATES else letters
    with closing(Runs(plan.state, plan.folder)) as runs:
        seen = runs.get(task_id)

    facts = _facts(where, outcome, letters, seen)
    if unseen is not None:
        facts["broker"] = f"was not asked: {unseen.message}"
    if where is not None:
        place = place_of(plan, app, where.task, task_id) if where.state == "delayed" else None
        verdict, sentence, next_step = at_the_broker(plan, where, outcome, readers, place)
        if place is not None:
            facts["rate"] = place.rate + (f", and was not asked: {place.unseen}" if place.unseen else "")
    elif own and own[-1].state in ("waiting", "discarded"):
        verdict, sentence, next_step = in_the_letters(own[-1])
    else:
        verdict, sentence, next_step = ended(outcome, own, is_broker_seen=unseen is None)
        is_older = seen is not None and bool(own) and seen.outcome.state == "dead"
        if seen is not None and verdict in ("unknown", "lost-sight") and not is_older:
            verdict, sentence, next_step = remembered(seen, is_broker_seen=unseen is None)
    return Answer(
        task_id=task_id,
        verdict=verdict,
        sentence=sentence,
        facts=facts,
        next_step=next_step,
        looked_at=(
            *(() if unseen else ("the broker's queues",)),
            "the result backend",
            "the dead letters",
            *(("the history of runs",) if plan.records is not None else ()),
        ),
    )


def _look(plan: Plan, task_id: str) -> tuple[Whereabouts | None, Mapping[str, int], BrokerError | None]:
    """Find the task at the broker, and count who reads its queues."""
    try:
        with viewing(plan) as view:
            where = view.find(task_id)
            if where is not None and where.consumer is not None:
                where = replace(where, consumer=called(where.consumer))
            return where, count_readers(view), None
    except BrokerError as error:
        return None, {}, error


def _outcome(app: Celery, task_id: str) -> Outcome:
    meta = app.backend.get_task_meta(task_id)
    done = meta.get("date_done")
    return Outcome(
        state=str(meta.get("status") or "PENDING"),
        result=meta.get("result"),
        done=None if done is None else str(done),
    )


def _facts(
    where: Whereabouts | None, outcome: Outcome, letters: list[Letter], seen: Seen | None
) -> dict[str, str]:
    facts: dict[str, str] = {}
    if where is not None:
        facts["queue"] = where.queue
        facts["sent"] = f"{say_moment(where.sent_at)}, {max(time.time() - where.sent_at, 0):.0f}s ago"
        if where.deliveries:
            facts["deliveries"] = f"{where.deliveries} ended with the worker's death"
        if where.consumer is not None:
            facts["worker"] = f"{where.consumer.name}, process {where.consumer.pid} on {where.consumer.host}"
    if outcome.state != "PENDING":
        facts["result"] = outcome.state
        if outcome.state in ("FAILURE", "RETRY"):
            facts["error"] = say_error(outcome.result)
    if seen is not None:
        facts.update(facts_of(seen))
    for letter in letters:
        facts[f"letter {letter.id}"] = f"{letter.reason}, {letter.state}, died {say_moment(letter.died_at)}"
    return facts
