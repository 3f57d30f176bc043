"""Hooks: named moments in the life of tasks, for code that watches them or keeps them from running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from celery import Celery, signals

from celeriac.events import emit


class Run(NamedTuple):
    """One run of a task.

    queue: where its message came from, empty where the broker does not say. attempt: 1 for the first run.
    """

    task: str
    task_id: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    queue: str
    attempt: int


class Hooks:
    """Named moments of every task of an app; each does nothing until it is overridden.

    What a hook raises is logged as `hook.failed` and changes nothing for the task, with one exception: what `admit`
    raises keeps the task from running. Hooks are called in the process in which the moment happens, and the task waits
    for them.
    """

    def admit(self, run: Run) -> None:
        """Before each run. Raising refuses it: NotNow sends the task back to wait, anything else fails it."""

    def on_start(self, run: Run) -> None:
        """A run begins."""

    def on_success(self, run: Run, result: Any) -> None:
        """A run has ended well, and its result is stored."""

    def on_retry(self, run: Run, error: BaseException | None) -> None:
        """A run has failed and will be tried again; `error` is why, None where the task did not say."""

    def on_failure(self, run: Run, error: BaseException) -> None:
        """A task has failed for good."""

    def handle_dead_letter(self, task_id: str, reason: str) -> None:
        """A task's letter is new on record; called by who recorded it, at most once for each letter."""


class HookList:
    """The hooks of one app, in the order in which they were added."""

    def __init__(self) -> None:
        self._hooks: list[Hooks] = []

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def add(self, hooks: Hooks) -> None:
        """Call these from now on, after those that are there."""
        self._hooks.append(hooks)

    def admit(self, run: Run) -> None:
        """Ask each hook whether a run may begin. Raises: what the first that refuses raises."""
        for hooks in self._hooks:
            hooks.admit(run)

    def tell(self, moment: str, *facts: Any) -> None:
        """Call the method named `moment` of each hook; none of them breaks the task, or keeps the others from it."""
        for hooks in self._hooks:
            guarded(getattr(hooks, moment), *facts)


def guarded(hook: Callable[..., object], *facts: Any, **more: Any) -> None:
    """Call a hook; what it raises is said, and goes no further."""
    try:
        hook(*facts, **more)
    except Exception as error:
        name = getattr(hook, "__qualname__", repr(hook))
        emit("tasks", "hook.failed", hook=name, error=repr(error))


def run_of(task: Any, request: Any) -> Run:
    """Describe the run that a request is."""
    info = request.delivery_info or {}
    return Run(
        task=task.name,
        task_id=str(request.id),
        args=request.args or (),
        kwargs=request.kwargs or {},
        queue=str(info.get("queue") or info.get("routing_key") or ""),
        attempt=(request.retries or 0) + 1,
    )


def follow(app: Celery, hooks: HookList) -> None:
    """Have the app's tasks tell their moments; Celery's signals say when."""

    def ours(task: Any) -> bool:
        return getattr(task, "app", None) is app

    def on_start(task: Any = None, **_: Any) -> None:
        if ours(task):
            hooks.tell("on_start", run_of(task, task.request))

    def on_success(sender: Any = None, result: Any = None, **_: Any) -> None:
        if ours(sender):
            hooks.tell("on_success", run_of(sender, sender.request), result)

    def on_retry(sender: Any = None, request: Any = None, reason: Any = None, **_: Any) -> None:
        if ours(sender):
            hooks.tell("on_retry", run_of(sender, request), getattr(reason, "exc", None))

    def on_failure(sender: Any = None, exception: Any = None, **_: Any) -> None:
        if ours(sender):
            hooks.tell("on_failure", run_of(sender, sender.request), exception)

    for signal, receiver in (
        (signals.task_prerun, on_start),
        (signals.task_success, on_success),
        (signals.task_retry, on_retry),
        (signals.task_failure, on_failure),
    ):
        signal.connect(receiver, weak=False)
