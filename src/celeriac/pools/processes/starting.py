"""Starting the process of a slot: what it takes over from the worker, and what it must let go of."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

from celery.worker.consumer.events import Events

from celeriac.pools.processes.child import Child
from celeriac.pools.processes.roles import slot_of
from celeriac.pools.processes.slot import Slot


class Starter:
    """Forks processes of one worker. options: of its pool, as Celery hands them to pools."""

    def __init__(self, app: Any, hostname: str, options: dict[str, Any]) -> None:
        self._app, self._hostname, self._options = app, hostname, options

    def warm(self) -> None:
        """Import and make what the processes will use; what there is then, all of them share."""
        app = self._app
        app.finalize()
        _ = app.backend, app.amqp.queues, app.amqp.Producer, app.events.Dispatcher
        # A collection would write to every page of it.
        gc.collect()
        gc.freeze()

    def start(self, slot: Slot, *, others: Iterable[Slot], consumer: Any, hub: Any, count: int) -> None:
        """Fork a process for the slot.

        others: the pool's other slots. consumer, hub: the worker's, if it has them yet. count: slots of the worker.
        """
        settings = {
            "initial_prefetch_count": consumer.prefetch_multiplier if consumer else 1,
            "prefetch_multiplier": consumer.prefetch_multiplier if consumer else 1,
            "disable_rate_limits": bool(consumer and consumer.disable_rate_limits),
            "task_events": sends_task_events(consumer),
        }
        others, options = list(others), dict(self._options)

        def clear() -> None:
            # A sibling's pipe that stayed open here would hide from it that the parent is gone.
            for each in others:
                each.hang_up()
                each.release()
            if hub is not None:
                hub.poller.close()

        def live(page: Any, line: Any, copy: Any, descriptors: Any) -> int:
            return Child(
                self._app,
                self._hostname,
                page,
                line,
                copy=copy,
                descriptors=descriptors,
                consumer=slot_of(type(consumer).__base__),
                options=options,
                settings=settings,
                count=count,
            ).live()

        slot.start(live, clear)


def sends_task_events(consumer: Any) -> bool:
    """Say whether a worker sends them now; remote control may have changed that since it started."""
    if consumer is None:
        return False
    sender = consumer.event_dispatcher or consumer.blueprint.steps.get(Events.name)
    return sender is not None and sender.enabled and (not sender.groups or "task" in sender.groups)
