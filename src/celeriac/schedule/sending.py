"""Sending the task of a slot, over one connection that never waits long and never sends twice by itself."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.beat import BeatLazyFunc
from kombu.connection import Connection

from celeriac import wire
from celeriac.schedule.declared import Declared

#: how long the broker may take for one step; a beat that hangs must lose its lease, not its mind
_STEP_TIMEOUT_S = 5.0
_FAREWELL_TIMEOUT_S = 0.5
_TIMEOUTS: dict[str, tuple[str, ...]] = {
    "redis": ("socket_timeout", "socket_connect_timeout"),
    "amqp": ("read_timeout", "write_timeout"),
    "sqs": ("connect_timeout", "read_timeout"),
}


class Sender:
    """Publishes tasks of slots for one beat."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._producer: Any = None

    @property
    def keeps_once(self) -> bool:
        """Whether the broker stores the task of a slot once, however often it is sent."""
        return self._app.connection_for_write().get_transport_cls().driver_type in ("sqlite", "redis")

    def send(
        self, declared: Declared, task_id: str, slot: float | None = None, once: str | None = None
    ) -> None:
        """Publish the task of a slot, or of none (an operator's run).

        once: the key by which the broker stores it once.
        Raises: whatever the broker or the task's own code does; then it may or may not have been sent.
        """
        said = {"celery_beat_task": True, wire.SCHEDULE: declared.name, wire.SLOT: slot, wire.ONCE: once}
        options = dict(declared.options)
        options["headers"] = {
            **options.get("headers", {}),
            **{name: value for name, value in said.items() if value is not None},
        }
        if declared.overlap != "allow":
            # Whether it has ended is read from its result, which must therefore be kept.
            options["ignore_result"] = False
        args = [_evaluated(each) for each in declared.args]
        kwargs = {name: _evaluated(each) for name, each in declared.kwargs.items()}
        # A lost answer must not be followed by a second try that knows nothing of the ledger.
        options |= {"task_id": task_id, "retry": False, "producer": self._connected()}
        task = self._app.tasks.get(declared.task)
        if task is not None:
            task.apply_async(args, kwargs, **options)
        else:
            self._app.send_task(declared.task, args, kwargs, **options)

    def hang_up(self) -> None:
        """Close the connection; the next task opens another."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        connection = producer.connection
        try:
            connection.release()
        except (*connection.connection_errors, *connection.channel_errors, OSError):
            connection.collect()

    def drop(self) -> None:
        """Let go of a connection that has failed, without the farewell that a frozen broker would not answer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.connection.collect(_FAREWELL_TIMEOUT_S)

    def _connected(self) -> Any:
        if self._producer is None:
            connection = self._connection()
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_STEP_TIMEOUT_S)
            self._producer = self._app.amqp.Producer(connection, auto_declare=False)
        return self._producer

    def _connection(self) -> Connection:
        stock = self._app.connection_for_write()
        driver = stock.get_transport_cls().driver_type
        bounds = dict.fromkeys(_TIMEOUTS.get(driver, ()), _STEP_TIMEOUT_S)
        options: dict[str, Any] = {**bounds, **self._app.conf.broker_transport_options}
        if driver == "amqp":
            # Without confirms AMQP says nothing of a message it did not take.
            options["confirm_publish"] = True
        transport = stock.get_transport_cls()
        if driver == "redis" and not getattr(transport.Channel, "keeps_once", False):
            from celeriac.schedule.redis_once import with_once  # noqa: PLC0415 - only where redis is installed

            transport = with_once(transport)
        return self._app.connection_for_write(transport=transport, transport_options=options)


def _evaluated(argument: Any) -> Any:
    return argument.delay() if isinstance(argument, BeatLazyFunc) else argument
