"""The first steps: empty queues, a task nobody runs, workers that start one by one."""

from __future__ import annotations

import json

from celeriac.control.processes import running
from celeriac.errors import TutorialError, redacted
from celeriac.tutorial.stage import Stage


def nothing(stage: Stage) -> None:
    """Have nothing ready: the step starts from nothing."""


def set_up(stage: Stage) -> None:
    """Start quietly what a later step takes for granted."""
    there = stage.crew.names
    started = stage.recorder(), stage.worker(stage.light_pool), stage.worker(stage.heavy_pool)
    new = [name for name in dict.fromkeys(started) if name not in there]
    if new:
        stage.screen.say(f"Started for this step: {', '.join(new)}.")


def refuse_company(stage: Stage) -> None:
    """See that nobody else works on these queues, so that what is counted is the story's own.

    Raises: TutorialError TUTOR-005 if somebody reads them, TUTOR-006 if something waits in them.
    """
    up = running(stage.plan)
    if up is not None:
        raise TutorialError(
            "TUTOR-007",
            f"`celeriac up` runs this project already, as process {up.pid}; the tutorial starts its own workers.",
            at=str(stage.plan.state_folder),
            fix="stop it for these ten minutes",
        )
    for it in stage.look():
        readers = it.readers if it.readers is not None else len(stage.app.control.ping(timeout=1.0))
        if readers:
            raise TutorialError(
                "TUTOR-005",
                f"{readers} of somebody else's workers read queue {it.name}; the tutorial starts its own.",
                at=redacted(stage.plan.broker),
                fix="stop them for these ten minutes (`celeriac status` names them)",
            )
        if it.ready or it.unacked:
            raise TutorialError(
                "TUTOR-006",
                f"{it.ready + (it.unacked or 0)} messages are in queue {it.name} already; the tutorial counts from 0.",
                at=redacted(stage.plan.broker),
                fix="let workers run them, or purge the queue",
            )


def baseline(stage: Stage) -> None:
    """Show that nothing waits and nobody reads."""
    screen, plan = stage.screen, stage.plan
    screen.say(
        f"""A queue holds messages until a worker takes them. This project sends to {_listed(stage.queues)}; the
        broker is {redacted(plan.broker)}{", a file: no server runs" if plan.broker.startswith("sqlite") else ""}."""
    )
    screen.say(f"All of it is declared in one plan{f', {plan.source.name}' if plan.source else ''}:")
    for name in dict.fromkeys((stage.light_pool, stage.heavy_pool)):
        screen.code(f"[pools.{name}]\nqueues = {json.dumps(plan.pools[name].queues)}")
    screen.look("both columns of numbers, waiting and readers, are 0.")
    stage.pace.wait("count the queues")
    found = stage.look()
    screen.typed("celeriac queues")
    screen.queues(found)
    stage.check(
        f"{len(found)} queues: 0 messages wait, nobody reads them",
        held=all(not it.ready and not it.unacked and not it.readers for it in found),
    )


def first(stage: Stage) -> None:
    """Send one light task that nobody runs yet."""
    screen, light = stage.screen, stage.cast.light
    screen.say("Sending a task writes a message into its queue, and comes back at once with the task's id.")
    screen.code(f"{light.task.rpartition('.')[2]}.delay({', '.join(map(repr, light.args))})")
    screen.look(f"the message waits in {stage.light_queue}, since no worker runs.")
    stage.pace.wait("send it")
    sent = stage.send(light)
    screen.say(f"sent: task id {sent}")
    stage.until("the message to be counted", lambda: stage.figure(stage.light_queue).ready == 1)
    screen.queues(stage.look())
    stage.check(
        f"1 message waits in {stage.light_queue}, and the task has no result yet",
        held=not stage.figures.has_succeeded(sent),
        found="it has a result already",
    )


def workers(stage: Stage) -> None:
    """Start the recorder and a worker of each pool."""
    screen = stage.screen
    screen.say(
        "First the recorder: it keeps the history of runs and the dead letters, from which the story counts."
    )
    screen.typed("celeriac recorder")
    stage.pace.wait("start it")
    stage.recorder()
    screen.held(f"the recorder works (process {stage.crew['recorder'].pid})")
    for pool in dict.fromkeys((stage.light_pool, stage.heavy_pool)):
        _start(stage, pool)
    if stage.sent:
        stage.until("the task that had waited to end well", lambda: stage.ended_well(*stage.sent))
        screen.held(f"the task that had waited, {stage.sent[0][:8]}, ended well")


def _start(stage: Stage, pool: str) -> None:
    screen = stage.screen
    reads = stage.plan.pools[pool].queues
    screen.say(f"Now a worker of the pool {pool}, which reads {_listed(reads)}.")
    screen.typed(f"celeriac worker {pool}")
    screen.look("readers turn from 0 to 1, and what waited there is run.")
    stage.pace.wait("start it")
    name = stage.worker(pool)
    mine = [queue for queue in stage.queues if queue in reads]
    stage.until(
        f"{name} to have read {_listed(mine)}",
        lambda: all(
            it.readers != 0 and not it.ready and not it.unacked for it in stage.figures.queues(tuple(mine))
        ),
    )
    screen.queues(stage.look())
    screen.held(f"{name} works (process {stage.crew[name].pid}) and nothing waits in {_listed(mine)}")


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
