"""What Celeriac hangs on a Celery app: its plan, and where its dead letters go."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from celeriac.errors import AppError
from celeriac.plan import Plan, Policy, Sending
from celeriac.tasks.hooks import HookList

if TYPE_CHECKING:
    from celery import Celery
    from kombu.message import Message

#: where the policies travel in the app's settings, so that a pickled app (spawned pool processes) still has them
POLICIES_SETTING = "celeriac_policies"


class DeadLetterSink(Protocol):
    """Where tasks that fail for good go."""

    def capture(
        self,
        message: Message,
        *,
        reason: str,
        queue: str,
        exception: BaseException | None = None,
        kind: type[BaseException] | None = None,
        traceback: str | None = None,
        attempts: int = 1,
        deliveries: int = 0,
        worker: str = "",
    ) -> str:
        """Publish the letter of a message and give its id.

        reason: one of `celeriac.wire.REASONS`.
        kind: the class that was raised, where `exception` is only of a base of it.
        attempts: runs by retry, the first one included.
        deliveries: deliveries of this message that ended without an outcome.
        worker: node name of the worker it died on.
        Raises: anything; the letter is then not published, and the message must not be acked.
        """
        ...


class Gate(Protocol):
    """What a task passes before it runs."""

    def through(
        self, policy: Policy, task: str, task_id: str, patience: timedelta | None = None
    ) -> AbstractContextManager[None]:
        """Run a block as one run of a task with this policy.

        task: its name. patience: when it expires; None: never.
        Raises: NotNow before the block, if the task must wait at the broker; after it what the block raised.
        """
        ...


@dataclass(frozen=True)
class Runtime:
    """The plan, the sink, the gate and the hooks of an app; hangs on it as `app.celeriac`."""

    plan: Plan
    sink: DeadLetterSink
    gate: Gate | None = None
    hooks: HookList = field(default_factory=HookList)


def settle(app: Any, runtime: Runtime) -> None:
    """Hang the runtime on the app."""
    app.celeriac = runtime


def runtime_of(app: Celery) -> Runtime:
    """Give the app's runtime.

    Raises: AppError if the app is neither made nor adopted by Celeriac.
    """
    runtime = getattr(app, "celeriac", None)
    if not isinstance(runtime, Runtime):
        raise AppError(
            "APP-020",
            f'a task of the app "{app.main}" has the base class celeriac.Task, but the app has no plan',
            known=["celeriac.create_app(plan)", "celeriac.adopt(app)"],
            fix="call celeriac.adopt(app) after the app was made",
        )
    return runtime


def policies_only(plan: Plan) -> Plan:
    """Give a plan with nothing but the policies: settings are shown to operators, and URLs hold passwords."""
    return Plan(name=plan.name, tasks=plan.tasks)


def policies_of(app: Any) -> Plan | None:
    """Give a plan with the app's policies, also in a pool process that got the app by pickle; None if it has none."""
    runtime = getattr(app, "celeriac", None)
    if isinstance(runtime, Runtime):
        return runtime.plan
    plan = app.conf.get(POLICIES_SETTING)
    return plan if isinstance(plan, Plan) else None


def sending_of(app: Any) -> Sending:
    """Say how an app sends; as by default in a pool process that got the app by pickle."""
    runtime = getattr(app, "celeriac", None)
    return runtime.plan.sending if isinstance(runtime, Runtime) else Sending()


def queues_of(app: Any) -> dict[str, str]:
    """Say of each queue with a bound what a sender does when it is full."""
    runtime = getattr(app, "celeriac", None)
    if not isinstance(runtime, Runtime):
        return {}
    queues = runtime.plan.queues.items()
    return {name: queue.when_full for name, queue in queues if queue.max_length is not None}
