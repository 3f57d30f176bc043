"""The two consumers of a worker on this executor, each the team's own consumer class with another part to play."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from celery.worker.consumer.control import Control

from celeriac.pools.processes.commands import handlers


class Unread:
    """The task consumer of a parent: knows its queues, and leaves them to the slots."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.on_message: Callable[[Any], None] | None = None

    def consume(self) -> None:
        """Nothing: the slots do."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


@cache
def parent_of(base: Any) -> Any:
    """Give the class of a consumer that answers, is seen and steers, and takes no task."""

    class Parent(base):
        """Celery's consumer of the parent process."""

        task_consumer: Any

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.pool.attend(self)
            control = self.blueprint.steps.get(Control.name)
            if control is not None:
                control.box.node.handlers = handlers(self.pool)

        def loop_args(self) -> tuple[Any, ...]:
            connection, consumer, *others = super().loop_args()[1:]
            self.pool.require(connection)
            return (self, connection, Unread(consumer), *others)

        def register_with_event_loop(self, hub: Any) -> None:
            super().register_with_event_loop(hub)
            self.pool.watch_in(hub)

        def add_task_queue(self, queue: str, *args: Any, **options: Any) -> None:
            tasks: Any = self.task_consumer
            self.task_consumer = Unread(tasks)
            try:
                super().add_task_queue(queue, *args, **options)
            finally:
                self.task_consumer = tasks

        def _update_prefetch_count(self, index: int = 0) -> None:
            """Nothing: each slot has its own."""

    return Parent


@cache
def slot_of(base: Any) -> Any:
    """Give the class of a slot's consumer, which does nothing but consume."""

    class Steps(base.Blueprint):
        """What a slot's consumer starts: steps that the team has added are the worker's, and run in its parent."""

        default_steps = (
            "celery.worker.consumer.connection:Connection",
            "celery.worker.consumer.events:Events",
            "celery.worker.consumer.tasks:Tasks",
            "celery.worker.consumer.consumer:Evloop",
        )

        def __init__(self, steps: Any = None, **options: Any) -> None:
            super().__init__((), **options)

    class Slot(base):
        """Celery's consumer of a slot."""

        Blueprint = Steps

        def register_with_event_loop(self, hub: Any) -> None:
            super().register_with_event_loop(hub)
            self.controller.listen_in(hub)

        def bucket_for_task(self, type: Any) -> Any:  # noqa: A002 - Celery's name
            return self.controller.share(super().bucket_for_task(type))

    return Slot
