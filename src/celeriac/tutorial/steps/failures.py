"""What goes wrong, and what becomes of the tasks then: retries, dead letters, killed workers."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from celeriac.control.letters import letter_filter
from celeriac.deadletters import Change
from celeriac.errors import TutorialError
from celeriac.tutorial.stage import Stage

_NO_RECORDS = "the plan keeps no [records], from which this step counts."
_ONLY_OURS = 'name who plays it: "{0}" and "{0}_args".'
#: brokers of which stock Celery gives a dead worker's messages back only after an hour
_FORGETFUL = ("redis", "sentinel")
#: How often a task is sent that is to be caught in the middle.
_TRIES = 3


def needs_flaky(stage: Stage) -> str | None:
    """Say why there is nothing to retry."""
    if stage.cast.flaky is None:
        return "nobody plays a task that fails at first; " + _ONLY_OURS.format("flaky")
    return _NO_RECORDS if stage.plan.records is None else None


def needs_failing(stage: Stage) -> str | None:
    """Say why there will be no letter."""
    if stage.cast.failing is None:
        return "nobody plays a task that fails for good; " + _ONLY_OURS.format("failing")
    return None


def needs_long(stage: Stage) -> str | None:
    """Say why no worker can be killed in the middle."""
    if stage.cast.long is None:
        return "nobody plays a task that runs for seconds; " + _ONLY_OURS.format("long")
    return _NO_RECORDS if stage.plan.records is None else None


def retry(stage: Stage) -> None:
    """Have a task fail, be tried again, and end well."""
    screen, cast = stage.screen, stage.cast
    flaky = _there(cast.flaky)
    screen.say(
        """A task that calls another service fails when that is out of order. Its policy in the plan says how often, and
        how much later, it is tried again; meanwhile it waits at the broker, and no worker is held up."""
    )
    screen.code(f"{flaky}")
    screen.look("the attempts: it fails first, and ends well in the end.")
    stage.pace.wait("send it")
    asked_before = cast.asked() if cast.asked else 0
    sent = stage.send(flaky)
    stage.until("it to end well", lambda: stage.ended_well(sent))
    seen = stage.until("its run on record", lambda: _ended(stage, sent))
    screen.told(f"celeriac runs show {sent[:8]}", _history(seen))
    attempts = seen.outcome.attempts
    if cast.asked is not None:
        asked = cast.asked() - asked_before
        stage.check(
            f"it ran {attempts} times; the service counted {asked} calls, the last of which it answered",
            held=attempts == asked > 1,
        )
    else:
        stage.check(f"it ran {attempts} times, and ended well", held=attempts > 1, found="it ran once")


def letter(stage: Stage) -> None:
    """Have a task die, look at its letter, mend it and replay it."""
    screen, cast = stage.screen, stage.cast
    failing = _there(cast.failing)
    screen.say(
        """A task that fails for good, its retries spent, is not gone: the exact message is kept as a dead letter, with
        the reason and the traceback, until somebody replays or discards it."""
    )
    screen.code(f"{failing}")
    screen.look("the letter says what went wrong, and with which arguments.")
    stage.pace.wait("send it")
    sent = stage.send(failing)
    letters = stage.until("its letter to be on record", lambda: _letters_of(stage, sent))
    found = letters[0]
    screen.told(
        "celeriac dead list",
        [
            f"{found.id[:8]}  {found.task}  {found.reason}  attempts {found.attempts}",
            f"{found.exception}: {found.message}",
        ],
    )
    stage.check(
        f"1 letter: {found.reason} after {found.attempts} attempt{'s' * (found.attempts > 1)}",
        held=len(letters) == 1,
        found=f"{len(letters)} letters",
    )
    if cast.mended is None:
        return
    screen.say(
        """Now its arguments are mended and the letter is replayed. The task keeps its id, so whoever waits for it still
        gets its result."""
    )
    screen.typed(f"celeriac dead edit {found.id[:8]} --args '{json.dumps(list(cast.mended))}'")
    screen.typed(f"celeriac dead replay {found.id[:8]}")
    stage.pace.wait("mend and replay it")
    stage.letters.edit(found.id, Change(args=list(cast.mended)))
    outcome = stage.letters.replay([found.id])
    stage.check("1 letter replayed", held=len(outcome.done) == 1, found=str(outcome.failed))
    stage.until("the replayed task to end well", lambda: stage.figures.has_succeeded(sent))
    state = stage.letters.show(found.id).letter.state
    result = str(stage.app.AsyncResult(sent).result)[:60]
    stage.check(
        f"the task ended well, with the result {result}; its letter is {state}",
        held=state == "replayed",
        found=f"its letter is {state}",
    )


def killed(stage: Stage) -> None:
    """Kill a worker in the middle of a task, and see the task come back to another."""
    screen = stage.screen
    long = _there(stage.cast.long)
    if stage.plan.broker.startswith(_FORGETFUL) and _is_stock(stage):
        screen.say(
            """Left out: on this broker Celery gives a dead worker's task back only after its visibility timeout, an
            hour."""
        )
        return
    screen.say(
        """A worker may die at any moment: out of memory, a node that is gone, kill -9. A task is acked only when it has
        ended, so a dead worker's task goes back to its queue, and another worker runs it."""
    )
    screen.say("A second worker is started first, to take over.")
    screen.typed(f"celeriac worker {stage.heavy_pool} --replica 2")
    screen.code(f"{long}")
    screen.look("whoever runs it is killed with all its processes; the other one runs it again.")
    stage.pace.wait("start it, send the task, and kill its worker")
    names = [stage.worker(stage.heavy_pool), stage.worker(stage.heavy_pool, 2)]
    # On a busy machine a task may have ended before it was seen to run; that one proves nothing.
    for _ in range(_TRIES):
        sent = stage.send(long)
        victim = stage.until("a worker to run it", partial(_runs_on, stage, sent, names))
        was_running = not stage.figures.has_succeeded(sent)
        if was_running:
            break
    pid = stage.crew.kill(victim)
    died = time.monotonic()
    screen.alarm(f"kill -9 {pid}: {victim} and its slots are gone")
    survivor = next(name for name in names if name != victim)
    stage.check(
        "it was in the middle of the task",
        held=was_running,
        found="the task had ended just before; try again",
    )
    with screen.moving() as drawing:
        show = lambda: drawing.show(stage.look())  # noqa: E731
        stage.until("another worker to run it", lambda: _runs_on(stage, sent, [survivor]), look=show)
        back = time.monotonic() - died
        stage.until("it to end well", lambda: stage.ended_well(sent), look=show)
    screen.held(f"{survivor} ran it {back:.1f} s after the kill, and it ended well")
    seen = stage.until("its run on record", lambda: _ended(stage, sent))
    screen.told(f"celeriac runs show {sent[:8]}", _history(seen))
    stage.check(
        f"it began {seen.outcome.attempts} times and was lost 0 times",
        held=seen.outcome.attempts == 2,
        found=f"the records count {seen.outcome.attempts} attempts",
    )


def _there(call: Any) -> Any:
    if call is None:
        raise TutorialError("TUTOR-023", "nobody plays this part.", fix="leave the step out")
    return call


def _ended(stage: Stage, task_id: str) -> Any:
    seen = stage.figures.run(task_id)
    return seen if seen is not None and seen.outcome.state == "succeeded" else None


def _runs_on(stage: Stage, task_id: str, names: list[str]) -> str | None:
    """Give which of these workers runs the task, by the records."""
    seen = stage.figures.run(task_id)
    if seen is None or seen.outcome.state not in ("running", "succeeded"):
        return None
    running = [it for it in seen.run.history if it.state == "running" and it.worker]
    worker = running[-1].worker if running else None
    return next((name for name in names if worker and worker.startswith(f"{name}@")), None)


def _letters_of(stage: Stage, task_id: str) -> list[Any]:
    return [it for it in stage.letters.page(letter_filter(), limit=1000) if it.task_id == task_id]


def _history(seen: Any) -> list[str]:
    first = seen.run.history[0].at
    return [
        f"{it.at - first:5.1f}s  {it.state:<10}{it.worker or ''}"
        for it in seen.run.history
        if it.state not in ("received", "returned")
    ]


def _is_stock(stage: Stage) -> bool:
    with stage.app.connection_for_read() as connection:
        return str(type(connection.transport).__module__).startswith("kombu.")
