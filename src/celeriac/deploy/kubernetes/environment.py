"""The variables of a pod: each by reference to the plan's secret, none by value."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.environment import addresses_beside, handed_on, told_by
from celeriac.deploy.kubernetes.objects import secret_name
from celeriac.deploy.yaml import Note
from celeriac.plan import Plan
from celeriac.plan.reading import OVERRIDES


def environment(plan: Plan) -> list[Any]:
    """Give the `env` of a container."""
    variables: list[Any] = []
    beside = {address.key for address in addresses_beside(plan)}
    told: dict[str, list[str]] = {}
    for key in OVERRIDES:
        if key not in plan.beside_broker:
            told.setdefault(told_by(plan, key), []).append(key)
    for name, keys in told.items():
        said = ", ".join(f"[celeriac].{key}" for key in keys)
        # What the plan expects on its own host is not there in a pod.
        variables.append(_secret(plan, name, said, optional=not beside & set(keys)))
    for variable in handed_on(plan, frozenset(OVERRIDES)):
        variables.append(_secret(plan, variable.name, ", ".join(variable.at), optional=not variable.required))
    if plan.environment:
        variables.append({"name": "CELERIAC_ENV", "value": plan.environment})
    return variables


def _secret(plan: Plan, name: str, said: str, *, optional: bool) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": secret_name(plan), "key": name, "optional": optional}
    return {"name": name, "valueFrom": Note({"secretKeyRef": reference}, said)}
