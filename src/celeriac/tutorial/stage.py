"""The stage: what every step works with, and the two ways in which a step proves what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from celery import Celery
from celery.canvas import chain
from celery.result import AsyncResult

from celeriac.control.letters import OPEN, Letters, letter_filter
from celeriac.errors import CeleriacError, TutorialError
from celeriac.plan import Plan, topology
from celeriac.tasks.runtime import runtime_of
from celeriac.tutorial.cast import Call, Cast
from celeriac.tutorial.crew import Crew
from celeriac.tutorial.door import stay_unless_asked
from celeriac.tutorial.figures import Figures, QueueFigure
from celeriac.tutorial.pace import NoWait, Pace
from celeriac.tutorial.screen import Screen

Value = TypeVar("Value")

#: how long anything that was announced may take
PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.1


class Stage:
    """One project with its cast, its crew and its figures; leaving it ends every process it has started."""

    def __init__(
        self, app: Celery, cast: Cast, screen: Screen, *, environ: Mapping[str, str], logs: Path
    ) -> None:
        """environ: of the processes; logs: an existing folder for what they print.

        Raises: TutorialError TUTOR-022 if no pool reads a queue that the cast needs.
        """
        self.app = app
        self.plan: Plan = runtime_of(app).plan
        self.cast = cast
        self.screen = screen
        self.pace: Pace = NoWait()
        self.crew = Crew(self.plan.folder, environ, logs)
        self.figures = Figures(self.plan, app)
        self.sent: list[str] = []
        self.light_queue, self.light_pool = self._home_of(cast.light.task)
        self.heavy_queue, self.heavy_pool = self._home_of(cast.heavy.task)
        self.queues = tuple(dict.fromkeys((self.light_queue, self.heavy_queue)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.crew.dismiss()
        finally:
            self.figures.close()

    # What the steps do.

    def worker(self, pool: str, replica: int = 1) -> str:
        """Start a worker of a pool, unless it runs; give its name, like "heavy-1"."""
        argv = next(process.argv for process in topology(self.plan) if process.pool == pool)
        at = argv.index("--replica") + 1
        return self._start(f"{pool}-{replica}", (*argv[:at], str(replica), *argv[at + 1 :]))

    def recorder(self) -> str:
        """Start the recorder, unless it runs."""
        return self._service("recorder", ("celeriac", "recorder"))

    def beat(self) -> str:
        """Start the beat, unless it runs."""
        return self._service("beat", ("celeriac", "beat"))

    def send(self, call: Call) -> str:
        """Send one task; give its id."""
        return self._sent(call.signature(self.app).apply_async(**self._options))

    def send_chain(self) -> tuple[str, str]:
        """Send the heavy task with the light one behind it; give their task ids."""
        parts = [
            self.cast.heavy.signature(self.app).set(**self._options),
            self.app.signature(self.cast.light.task).set(**self._options),
        ]
        last: Any = chain(*parts, app=self.app).apply_async()
        return self._sent(last.parent), self._sent(last)

    def look(self) -> list[QueueFigure]:
        """Count the messages of the story's queues."""
        return self.figures.queues(self.queues)

    def figure(self, queue: str) -> QueueFigure:
        """Count the messages of one queue."""
        return self.figures.queues((queue,))[0]

    @cached_property
    def letters(self) -> Letters:
        """The dead letters of the project."""
        return Letters(self.plan, lambda: self.app)

    def own_letters(self) -> list[Any]:
        """Give the letters of this story's tasks that still wait for a decision."""
        waiting = self.letters.page(letter_filter(states=OPEN), limit=1000)
        return [letter for letter in waiting if letter.task_id in self.sent]

    # How they prove it.

    def until(
        self, what: str, condition: Callable[[], Value | None], *, look: Callable[[], object] = lambda: None
    ) -> Value:
        """Wait until the condition gives something true, and give that; `look` is called each time before.

        Raises: TutorialError TUTOR-011 if it does not within `PATIENCE_S`.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            stay_unless_asked()
            look()
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise self._broken(
                    "TUTOR-011", f"{what}: not within {PATIENCE_S:.0f} s; {self._standing()}", self._words()
                )
            time.sleep(_LOOK_EVERY_S)

    def ended_well(self, *task_ids: str) -> bool:
        """Say whether all of these have ended well by now.

        Raises: TutorialError TUTOR-013 if one has failed for good.
        """
        for task_id in task_ids:
            if not self.figures.has_succeeded(task_id):
                failure = self.figures.failure(task_id)
                if failure is None:
                    return False
                raise self._broken("TUTOR-013", f"task {task_id} failed: {failure}", self._words())
        return True

    def check(self, claim: str, *, held: bool, found: str = "") -> None:
        """Say a claim with its figures, and that it holds.

        found: what was counted instead, if it does not.
        Raises: TutorialError TUTOR-010 if it does not hold.
        """
        if held:
            self.screen.held(claim)
            return
        self.screen.failed(claim)
        raise self._broken(
            "TUTOR-010", f"this did not happen: {claim}; {found or self._standing()}", self._words()
        )

    def tidy(self) -> None:
        """Discard what letters of a project that is not ours the story has left."""
        if self.sent and self.cast.expires_s is not None:
            with closing(self.letters):
                self.letters.discard(
                    [letter.id for letter in self.own_letters() if letter.state == "waiting"]
                )

    def _standing(self) -> str:
        try:
            said = [f"{it.name} has {it.ready} waiting and {it.unacked} with workers" for it in self.look()]
        except (CeleriacError, OSError) as error:
            return f"the broker does not answer: {error}"
        return ", ".join(said)

    def _words(self) -> str:
        words = self.crew.last_words()
        return "\n".join(f"{name} said last:\n{said}" for name, said in words.items() if said)

    def _broken(self, code: str, message: str, words: str) -> TutorialError:
        return TutorialError(
            code,
            f"{message}.\n{words}" if words else f"{message}.",
            at=str(self.plan.source) if self.plan.source else None,
            fix="look at what the processes said; nothing of the story runs any more",
        )

    def _home_of(self, task: str) -> tuple[str, str]:
        route = self.app.amqp.router.route({}, task)
        queue = str(getattr(route.get("queue"), "name", route.get("queue")))
        pools = [name for name, pool in self.plan.pools.items() if queue in pool.queues and pool.replicas]
        if not pools:
            raise TutorialError(
                "TUTOR-022",
                f'task {task} goes to queue "{queue}", which no pool of the plan reads.',
                at=str(self.plan.source) if self.plan.source else None,
                known=[f"{name}: {', '.join(pool.queues)}" for name, pool in self.plan.pools.items()],
                fix="name the queue in a pool, or route the task to one that is",
            )
        # The pool that reads fewest others: of a heavy and an all-purpose one, the heavy.
        return queue, min(pools, key=lambda name: len(self.plan.pools[name].queues))

    def _service(self, kind: str, argv: tuple[str, ...]) -> str:
        declared = next((process for process in topology(self.plan) if process.kind == kind), None)
        plan_option = ("--plan", str(self.plan.source)) if self.plan.source else ()
        return self._start(kind, declared.argv if declared else (*argv, *plan_option))

    def _start(self, name: str, argv: tuple[str, ...]) -> str:
        if name not in self.crew:
            self.crew.start(name, argv)
        return name

    @property
    def _options(self) -> dict[str, Any]:
        return {} if self.cast.expires_s is None else {"expires": self.cast.expires_s}

    def _sent(self, result: AsyncResult) -> str:
        self.sent.append(str(result.id))
        return self.sent[-1]
