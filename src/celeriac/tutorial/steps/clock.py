"""Tasks that are sent by the clock."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime

from celeriac.control.schedules import Schedules
from celeriac.tutorial.stage import Stage

#: slots that are waited for, if they come soon; else the schedule is run by hand
_SLOTS = 3
_SOON_S = 20.0


def needs_schedule(stage: Stage) -> str | None:
    """Say why nothing is sent by the clock."""
    if stage.cast.schedule is None:
        return 'no schedule is named that may run now; name one: "schedule".'
    return None


def schedule(stage: Stage) -> None:
    """See a schedule fire, each slot once; one that comes later is run by hand."""
    name = str(stage.cast.schedule)
    with closing(Schedules(stage.app)) as schedules:
        slots = schedules.upcoming([name], _SLOTS)[0].slots
        stage.screen.say(
            """The beat sends the schedules of the plan, the code and the admin. Run as many beats as you like: one
            leads, and each slot, a time at which a schedule is due, is sent once."""
        )
        if slots and slots[-1] - time.time() < _SOON_S:
            _watch(stage, schedules, name)
        else:
            _run(stage, schedules, name, slots)


def _watch(stage: Stage, schedules: Schedules, name: str) -> None:
    screen = stage.screen
    screen.typed("celeriac beat")
    screen.typed("celeriac schedule list")
    screen.look(f"{name} fires, again and again; {_SLOTS} slots are counted.")
    stage.pace.wait("start the beat")
    stage.beat()
    fired: dict[float, str] = {}

    def enough() -> bool:
        report = schedules.reports([name])[0]
        if report.last_slot is not None and report.task_id is not None and report.last_slot not in fired:
            fired[report.last_slot] = report.task_id
            screen.say(
                f"{datetime.fromtimestamp(report.last_slot):%H:%M:%S}  {report.task} sent as {report.task_id[:8]}"
            )
        return len(fired) >= _SLOTS

    stage.until(f"{_SLOTS} slots of {name}", enough)
    stage.crew.stop("beat")
    stage.sent.extend(fired.values())
    stage.until("their tasks to end well", lambda: stage.ended_well(*fired.values()))
    stage.check(
        f"{len(fired)} slots, {len(set(fired.values()))} tasks, all of them ended well",
        held=len(set(fired.values())) == len(fired),
    )
    if stage.plan.records is not None:
        runs = stage.until(
            "their runs on record",
            lambda: (
                [run for run in map(stage.figures.run, fired.values()) if run and run.outcome.ended_at]
                if all(map(stage.figures.run, fired.values()))
                else []
            ),
        )
        stage.check("each of them ran once", held=all(run.outcome.attempts == 1 for run in runs))


def _run(stage: Stage, schedules: Schedules, name: str, slots: tuple[float, ...]) -> None:
    screen = stage.screen
    screen.told(
        f"celeriac schedule next {name}",
        [f"{datetime.fromtimestamp(slot):%a %d %b %H:%M:%S}" for slot in slots],
    )
    screen.typed(f"celeriac schedule run {name}")
    screen.look("its task runs now, beside its slots.")
    stage.pace.wait("run it now")
    sent = schedules.run(name)
    stage.sent.append(sent)
    stage.until("its task to end well", lambda: stage.ended_well(sent))
    screen.held(f"{name} was sent as {sent[:8]} and ended well")
