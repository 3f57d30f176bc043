"""A system in a folder of its own: a plan on the embedded broker, its app, and somebody who reads a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Consumer, Queue

from celeriac.app import create_app
from celeriac.doctor import Examination, chosen, examine
from celeriac.errors import CeleriacError
from celeriac.plan import Plan


class System:
    """A plan, its app, and what the doctor says of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.problems: list[CeleriacError] = []
        self._open = ExitStack()
        self._app: Celery | None = None

    @property
    def app(self) -> Celery:
        if self._app is None:
            self._app = create_app(self.plan)
        return self._app

    def send(self, task: str, queue: str, **options: Any) -> str:
        return str(self.app.send_task(task, queue=queue, **options).id)

    def read(self, queue: str) -> None:
        """Read a queue as a worker does that takes nothing."""
        connection: Any = self._open.enter_context(self.app.connection_for_read())
        channel = connection.channel()
        declared = self.app.amqp.queues[queue]
        self._open.enter_context(Consumer(channel, [Queue(queue, declared.exchange, declared.routing_key)]))

    def examine(self, *rules: str) -> Examination:
        return examine(self.plan, lambda: self.app, self.problems, chosen(rules))

    def found(self, rule: str) -> list[Any]:
        """Judge one rule, which must be possible, and give its findings."""
        examination = self.examine(rule)
        assert examination.unjudged == ()
        return list(examination.findings)

    def close(self) -> None:
        self._open.close()
        if self._app is not None:
            self._app.close()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Make a system: `system(queues=…, pools=…)`, as a Plan takes them."""
    made: list[System] = []

    def make(**fields: Any) -> System:
        made.append(System(Plan(**({"name": "shop", "folder": tmp_path} | fields))))
        return made[-1]

    yield make
    for each in made:
        each.close()
