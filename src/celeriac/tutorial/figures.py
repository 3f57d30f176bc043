"""What is counted: messages at the broker, runs and letters on record, results."""

from __future__ import annotations

from typing import NamedTuple

from celery import Celery

from celeriac.control.broker import queues
from celeriac.control.runs import History
from celeriac.control.verdict import say_error
from celeriac.errors import BrokerError
from celeriac.observe.metrics.kombu_broker import KombuBroker
from celeriac.plan import Plan
from celeriac.records import Seen

#: a broker that can be asked for the sizes of its queues, but not looked into
_NO_VIEW = "BROKER-012"


class QueueFigure(NamedTuple):
    """One queue as it is now; None is what this broker does not tell.

    ready: messages that wait for a worker; unacked: that are with one; readers: workers that read it.
    """

    name: str
    ready: int
    unacked: int | None
    readers: int | None


class Figures:
    """Counts at the broker, in the records and in the result backend of one project."""

    def __init__(self, plan: Plan, app: Celery) -> None:
        self._plan = plan
        self._app = app
        self._sizes = KombuBroker(app)
        self._history = History(plan)

    def queues(self, names: tuple[str, ...]) -> list[QueueFigure]:
        """Count the messages of these queues.

        Raises: BrokerError, or the transport's error, if the broker does not answer.
        """
        found = self._looked_into()
        return [found.get(name, QueueFigure(name, 0, 0, 0)) for name in names]

    def run(self, task_id: str) -> Seen | None:
        """Give what is on record of a run; None if nothing is, or none are kept."""
        return self._history.get(task_id)

    def has_succeeded(self, task_id: str) -> bool:
        """Say whether a task has ended well, by its result or, where it keeps none, by the records."""
        # Asked anew each time: an AsyncResult keeps what it saw first.
        if self._app.AsyncResult(task_id).state == "SUCCESS":
            return True
        seen = self.run(task_id)
        return seen is not None and seen.outcome.state == "succeeded"

    def failure(self, task_id: str) -> str | None:
        """Give the error a task has failed with for good; None if it has not failed."""
        result = self._app.AsyncResult(task_id)
        return say_error(result.result) if result.state in ("FAILURE", "REVOKED") else None

    def close(self) -> None:
        """Let go of the records."""
        self._history.close()

    def _looked_into(self) -> dict[str, QueueFigure]:
        try:
            return {
                it.name: QueueFigure(it.name, it.ready, it.unacked, it.consumers) for it in queues(self._plan)
            }
        except BrokerError as error:
            if error.code != _NO_VIEW:
                raise
        reading = self._sizes()
        return {it.name: QueueFigure(it.name, it.ready, it.unacked, it.consumers) for it in reading.queues}
