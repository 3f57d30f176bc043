"""The tour: the steps in their order, which of them are gone through, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from celeriac.errors import TutorialError
from celeriac.tutorial.door import stay_unless_asked
from celeriac.tutorial.stage import Stage
from celeriac.tutorial.steps import clock, ending, failures, flows, queues


@dataclass(frozen=True)
class Step:
    """One step of the story.

    needs: says why this cast cannot play it; None if it can.
    alone: what to do first when the steps before it were left out.
    """

    name: str
    title: str
    play: Callable[[Stage], None]
    alone: Callable[[Stage], None] = queues.set_up
    needs: Callable[[Stage], str | None] = lambda _: None


STEPS: tuple[Step, ...] = (
    Step("baseline", "Before anything runs: empty queues", queues.baseline, queues.nothing),
    Step("first", "A first task, and nobody there to run it", queues.first, queues.nothing),
    Step("workers", "Workers, one by one", queues.workers, queues.nothing),
    Step("chain", "A chain: one task's result is the next one's argument", flows.chain),
    Step("bulk", "Many chains at once: the queues move", flows.bulk),
    Step("retry", "A service that is out of order: retries", failures.retry, needs=failures.needs_flaky),
    Step(
        "letter",
        "A task that fails for good: its letter, mended and replayed",
        failures.letter,
        needs=failures.needs_failing,
    ),
    Step(
        "killed", "kill -9: a worker dies in the middle of a task", failures.killed, needs=failures.needs_long
    ),
    Step("schedule", "Tasks sent by the clock", clock.schedule, needs=clock.needs_schedule),
    Step("watch", "Where to watch all this live, and the final count", ending.watch),
)


def chosen_steps(names: Sequence[str]) -> tuple[Step, ...]:
    """Give the steps of these names, in the story's order; all of them for no name.

    Raises: TutorialError TUTOR-002 if there is no such step.
    """
    known = [step.name for step in STEPS]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise TutorialError(
                "TUTOR-002",
                f'there is no step "{name}".',
                at="--step",
                known=known,
                fix=f'write "{close[0]}"' if close else "write one of these",
            )
    return tuple(step for step in STEPS if not names or step.name in names)


def play(stage: Stage, steps: Sequence[Step]) -> None:
    """Go through the steps.

    Raises: TutorialError with the first thing that did not happen as announced.
    """
    queues.refuse_company(stage)
    before: Step | None = None
    for number, step in enumerate(steps, start=1):
        stage.screen.step(number, len(steps), step.title)
        lacks = step.needs(stage)
        if lacks is not None:
            stage.screen.say(f"Left out: {lacks}")
            continue
        if before is None or STEPS.index(before) + 1 != STEPS.index(step):
            step.alone(stage)
        step.play(stage)
        stay_unless_asked()
        before = step
