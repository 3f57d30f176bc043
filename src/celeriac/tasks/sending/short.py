"""The short way of `apply_async`: a call that asks for nothing unusual, sent without looking for the unusual.

What Celery's `Task.apply_async` and `Celery.send_task` do for such a call is done here in the same order, with the same
signals, and leaves the same message. All other calls take Celery's way.
"""

from __future__ import annotations

from typing import Any

import celery
from celery.app import base as stock_base
from celery.app import task as stock_task
from celery.utils.functional import maybe_list
from kombu.exceptions import LimitExceeded
from kombu.utils.uuid import uuid

from celeriac.tasks.sending.live import Live

#: what a plain call may say beside its arguments
_OPTIONS = frozenset(
    {
        "add_to_parent", "chain", "chord", "compression", "delivery_mode", "exchange", "exchange_type", "group_id",
        "group_index", "headers", "ignore_result", "parent_id", "priority", "queue", "reply_to", "retries", "retry",
        "retry_policy", "root_id", "routing_key", "serializer", "soft_time_limit", "time_limit",
    }
)  # fmt: skip
#: what watches a process from outside (Sentry, New Relic) puts its own in their places, before we are imported or later
_APPLY, _SEND = celery.Task.apply_async, celery.Celery.send_task
_OF_THE_APP = ("producer_or_acquire", "_acquire_producer", "current_worker_task", "thread_oid", "backend")


class ShortWay:
    """Sends plain calls of an app's tasks."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._amqp = app.amqp
        self._is_eager = Live(app, "task_always_eager")
        self._sends_events = Live(app, "task_send_sent_event")
        kind: Any = type(app)
        self._is_celerys = (
            _is_from(stock_task, _APPLY)
            and _is_from(stock_base, _SEND)
            and all(getattr(kind, name) is getattr(celery.Celery, name) for name in _OF_THE_APP)
        )

    def is_open(self, task: Any, options: dict[str, Any]) -> bool:
        """Say whether a call with these options is plain, and nobody has put anything of his own in Celery's place."""
        return (
            options.keys() <= _OPTIONS
            and celery.Task.apply_async is _APPLY
            and type(self._app).send_task is _SEND
            and "send_task" not in vars(self._app)
            and self._is_celerys
            and task.expires is None
            and not task.__v2_compat__
            and not (task.soft_time_limit and task.time_limit)
            and not self._is_eager()
        )

    def send(
        self,
        task: Any,
        args: Any,
        kwargs: Any,
        task_id: str | None,
        producer: Any,
        links: tuple[Any, Any],
        shadow: str | None,
        options: dict[str, Any],
    ) -> Any:
        """Send a plain call of a task and give its result. links: callbacks and errbacks."""
        app, amqp, name = self._app, self._amqp, task.name
        args, kwargs, shadow, options = _checked(task, args, kwargs, shadow, options)
        take = options.pop
        ignore_result = take("ignore_result", task.ignore_result)
        add_to_parent, chord, chain = take("add_to_parent", True), take("chord", None), take("chain", None)
        group_id, group_index = take("group_id", None), take("group_index", None)
        reply_to, retries = take("reply_to", None), take("retries", 0)
        root_id, parent_id = take("root_id", None), take("parent_id", None)
        time_limit, soft_time_limit = take("time_limit", None), take("soft_time_limit", None)
        take("expires", None)
        task_id = task_id or uuid()
        options = amqp.router.route(options, name, args, kwargs, task)
        parent = app.current_worker_task
        if parent and not (root_id and parent_id):
            root_id = root_id or parent.request.root_id or parent.request.id
            parent_id = parent_id or parent.request.id
            if app.conf.task_inherit_parent_priority:
                options.setdefault("priority", parent.request.delivery_info.get("priority"))
        message = amqp.create_task_message(
            task_id, name, args, kwargs, None, None, group_id, group_index, None, retries, chord,
            maybe_list(links[0]), maybe_list(links[1]), reply_to or app.thread_oid, time_limit, soft_time_limit,
            self._sends_events(), root_id, parent_id, shadow, chain,
            ignore_result=ignore_result, replaced_task_nesting=0, **options,
        )  # fmt: skip
        self._publish(name, task_id, message, producer, ignore_result, options)
        result = task.AsyncResult(task_id)
        result.ignored = ignore_result
        if add_to_parent and parent:
            parent.add_trail(result)
        return result

    def _publish(
        self, name: str, task_id: str, message: Any, given: Any, ignore_result: bool, options: dict[str, Any]
    ) -> None:
        producer = self._take() if given is None else given
        try:
            if not ignore_result:
                self._app.backend.on_task_call(producer, task_id)
            self._amqp.send_task_message(producer, name, message, **options)
        except Exception:
            with producer.connection._reraise_as_library_errors():
                raise
        finally:
            if given is None:
                producer.__exit__(None, None, None)

    def _take(self) -> Any:
        try:
            return self._amqp.producer_pool.take()
        except LimitExceeded:
            return self._app._acquire_producer(self._app.conf.broker_pool_acquire_timeout)


def _is_from(module: Any, function: Any) -> bool:
    """Say whether a function is what stands in a module's source, wrapped by nobody."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename == module.__file__ and not hasattr(function, "__wrapped__")


def _checked(
    task: Any, args: Any, kwargs: Any, shadow: str | None, options: dict[str, Any]
) -> tuple[Any, Any, str | None, dict[str, Any]]:
    """Do what `Task.apply_async` does: check the arguments, ask the task's own methods, add its options."""
    if task.typing:
        check = getattr(task, "__header__", None)
        if check is not None:
            check(*(args or ()), **(kwargs or {}))
    shadow = shadow or task.shadow_name(args, kwargs, options)
    options = {**task._get_exec_options(), **options}
    if task._dump_pydantic_arguments is not None and options.get("serializer") != "pickle":
        args, kwargs = task._dump_pydantic_arguments(args, kwargs)
    return args, kwargs, shadow, options
