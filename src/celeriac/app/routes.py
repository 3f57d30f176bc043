"""Where a task is sent: the router that Celery asks, answering from policies."""

from __future__ import annotations

from typing import Any

from celeriac.plan import Plan, Policy
from celeriac.tasks.policy import overlaid


class Router:
    """A Celery router; what `apply_async(queue=…, priority=…)` says wins over it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(
        self, name: str, args: Any, kwargs: Any, options: dict[str, Any], task: Any = None, **_: Any
    ) -> dict[str, Any] | None:
        """Give the queue and priority of a task; None leaves it to the next router, or the default queue."""
        return self.by_task(name, task)

    def by_task(self, name: str, task: Any) -> dict[str, Any] | None:
        """Give the same, which depends on nothing but the task's name and policy."""
        declared = getattr(task, "policy", None)
        policy = overlaid(self._plan, name, declared if isinstance(declared, Policy) else None)
        route = {"queue": policy.queue, "priority": policy.priority}
        return {field: value for field, value in route.items() if value is not None} or None
