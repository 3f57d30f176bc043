"""How a policy takes hold of a task: what the decorator says, overlaid by what the plan says.

Field by field, what the plan's entry sets wins over `@app.task(policy=Policy(...))`: whoever operates the system has
the last word, and what they leave out stays as the code wrote it. Entries of the plan are not merged with each other.
"""

from __future__ import annotations

from typing import Any

import msgspec

from celeriac.errors import AppError, SecurityError
from celeriac.plan import Plan, Policy, TaskResults, policy_for
from celeriac.security import guard_of
from celeriac.tasks.retry import exception_classes, guard
from celeriac.tasks.runtime import policies_of
from celeriac.units import rate

CELERY_REQUEST = "celery.worker.request:Request"
CELERY_STRATEGY = "celery.worker.strategy:default"
REQUEST = "celeriac.tasks.request:Request"
STRATEGY = "celeriac.tasks.strategy:default"


def governing(app: Any, name: str, declared: Policy | None) -> Policy:
    """Give the policy of the task `name` of an app; `declared` alone if the app has no plan.

    Raises: SecurityError if it is to be sealed, and the app has nothing to seal it with.
    """
    plan = policies_of(app)
    policy = overlaid(plan, name, declared) if plan is not None else declared or Policy()
    if policy.encrypt and guard_of(app) is None:
        raise SecurityError(
            "SEC-008",
            f"the payloads of {name} are to be sealed, and the plan names no keys",
            at="[security].keys",
            fix='write keys = "${CELERIAC_KEYS:-}" there, and set it to what `celeriac keys new` prints',
        )
    return policy


def overlaid(plan: Plan, name: str, declared: Policy | None) -> Policy:
    """Give the policy of the task `name`: `declared` in code, overlaid by the plan's entry."""
    ruled = policy_for(plan, name)
    if declared is None:
        return ruled
    said = {field: value for field, value in msgspec.structs.asdict(ruled).items() if value is not None}
    return msgspec.structs.replace(declared, **said)


def impose(task: Any, policy: Policy) -> None:
    """Set on a task (an instance, or the class of one) what Celery reads from it when it is sent and run.

    The queue is no attribute of a task: the app's router answers for it. `max_retries` follows the policy, so that
    its limit also holds for a task that calls `self.retry()` itself.
    """
    task.policy = policy
    if policy.priority is not None:
        task.priority = policy.priority
    if policy.expires is not None:
        task.expires = policy.expires.total_seconds()
    if policy.time_limit is not None:
        task.time_limit = policy.time_limit.total_seconds()
    if policy.soft_time_limit is not None:
        task.soft_time_limit = policy.soft_time_limit.total_seconds()
    if policy.retry is not None:
        task.max_retries = policy.retry.limit
    if policy.results is not None:
        _impose_results(task, policy.results)


def _impose_results(task: Any, results: TaskResults) -> None:
    if results.ignore is not None:
        task.ignore_result = results.ignore
    if results.expires is not None:
        task.result_expires = results.expires
    if results.compression is not None:
        task.result_compression = results.compression


def apply_policies(app: Any) -> None:
    """Bring every registered task under its policy, also those whose base class is Celery's own.

    Only instances are changed, never `celery.Task`. Doing it again changes nothing.
    Raises: AppError if a policy names an exception that cannot be imported, or a rate that is none; SecurityError if
        one cannot be kept.
    """
    for task in app.tasks.values():
        if task.Request == CELERY_REQUEST:
            task.Request = REQUEST
        if task.Strategy == CELERY_STRATEGY:
            task.Strategy = STRATEGY
        declared = getattr(task, "policy", None)
        policy = governing(app, task.name, declared)
        if policy != declared:
            impose(task, policy)
        if policy.retry is not None:
            exception_classes(policy.retry.on)
        if policy.breaker is not None:
            exception_classes(policy.breaker.on)
        if policy.rate is not None:
            _prove_rate(task.name, policy.rate)
        guard(task)


def _prove_rate(task: str, text: str) -> None:
    try:
        rate(text)
    except ValueError as error:
        raise AppError(
            "APP-024",
            f"the policy of {task} has a rate that is none: {error}",
            known=["10/s", "100/m", "1000/h"],
            fix='write it like "100/m"',
        ) from error
