"""What every object of a plan has in common: its names and labels, and how one is told apart from another."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.units import Unit
from celeriac.plan import Plan

PART_OF = "app.kubernetes.io/part-of"

Object = dict[str, Any]


def named(plan: Plan) -> str:
    """The plan's name as Kubernetes takes one."""
    return plan.name.lower().replace(".", "-").replace("_", "-")


def object_name(plan: Plan, unit: Unit) -> str:
    """What the objects of a unit are called: the plan's name and its own, or only the one [deploy.names] gives."""
    if unit.name in plan.deploy.names:
        return unit.title
    return f"{named(plan)}-{unit.title}".lower().replace(".", "-").replace("_", "-")


def labels(plan: Plan, component: str | None = None) -> dict[str, str]:
    """Give the recommended labels. Source: kubernetes.io, "Recommended Labels"."""
    given = {PART_OF: named(plan), "app.kubernetes.io/managed-by": "celeriac"}
    return {**selector(plan, component), **given} if component else given


def selector(plan: Plan, component: str) -> dict[str, str]:
    """Give the labels by which the pods of a unit are found; they never change."""
    return {"app.kubernetes.io/name": named(plan), "app.kubernetes.io/component": component}


def metadata(plan: Plan, name: str, component: str | None = None) -> Object:
    """Give the metadata of an object in the plan's namespace."""
    return {"name": name, "namespace": namespace(plan), "labels": labels(plan, component)}


def namespace(plan: Plan) -> str:
    """Where the objects live."""
    return plan.deploy.namespace or named(plan)


def secret_name(plan: Plan) -> str:
    """The secret that holds the variables of the plan; whoever deploys makes it."""
    return f"{named(plan)}-environment"
