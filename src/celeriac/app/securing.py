"""Giving an app its guard, where its plan seals or signs tasks."""

from __future__ import annotations

from typing import Any

from kombu.utils.imports import symbol_by_name

from celeriac.errors import SecurityError
from celeriac.plan import Plan, Policy, is_guarded, policy_for
from celeriac.security import protect
from celeriac.tasks.sending.amqp import AMQP


def secure(app: Any, plan: Plan) -> None:
    """Have what the app sends sealed and signed, and what its workers get opened, as the plan says.

    Raises: SecurityError if the app sends in a way of its own, that nothing would be sealed on.
    """
    if not is_guarded(plan):
        return
    made = vars(app).get("amqp")
    kind = symbol_by_name(app.amqp_cls) if made is None else type(made)
    if not issubclass(kind, AMQP):
        raise SecurityError(
            "SEC-017",
            f'tasks are to be sealed or signed, and the app "{app.main}" sends them by '
            f"{kind.__module__}.{kind.__qualname__}",
            fix="call celeriac.adopt(app) before anything is sent, and leave its amqp class to Celeriac",
        )

    def policy_of(name: str) -> Policy:
        own = getattr(app.tasks.get(name), "policy", None)
        return own if isinstance(own, Policy) else policy_for(plan, name)

    protect(app, plan, policy_of)
