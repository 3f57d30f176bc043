"""How an app gets its guard, and who asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celeriac.errors import SecurityError
from celeriac.plan import Plan, Policy, is_guarded
from celeriac.security.guard import Guard

_GUARD = "celeriac_guard"
#: in the app's settings: a process that got the app by pickle has those, and not the guard
_SETTING = "celeriac_is_guarded"


def protect(app: Any, plan: Plan, policy_of: Callable[[str], Policy]) -> None:
    """Give the app its guard, if the plan wants one.

    policy_of: gives the policy of a task by its name.
    """
    if is_guarded(plan):
        setattr(app, _GUARD, Guard(plan.security, policy_of, lambda: app.conf.accept_content))
        app.conf[_SETTING] = True


def guard_of(app: Any) -> Guard | None:
    """Give the app's guard; None if its plan wants none.

    Raises: SecurityError in a process that got the app by pickle: keys are not handed on that way.
    """
    guard: Guard | None = getattr(app, _GUARD, None)
    if guard is None and app.conf.get(_SETTING):
        raise SecurityError(
            "SEC-009",
            "tasks are to be sealed or signed, and this process got the app without its keys",
            fix="use a pool that forks or runs in the worker's own process",
        )
    return guard
