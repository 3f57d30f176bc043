"""The values of a chart: what of a plan may differ from one installation to the next."""

from __future__ import annotations

from typing import Any, get_args

from celeriac.deploy.keda.objects import scaled_units
from celeriac.deploy.kubernetes.environment import environment
from celeriac.deploy.kubernetes.objects import object_name, secret_name
from celeriac.deploy.kubernetes.pods import resources
from celeriac.deploy.kubernetes.workloads import objects_of
from celeriac.deploy.units import Unit, image_of, units
from celeriac.deploy.yaml import Note, plain
from celeriac.plan import Plan
from celeriac.plan.tables.pools import ProfileName

#: what a pod of each kind of work may be told beside its own, under the names Kubernetes has for it
PLACEMENT = ("nodeSelector", "tolerations", "affinity", "priorityClassName")
KINDS: tuple[str, ...] = get_args(ProfileName)
_SAYS = {
    "io": "work that waits for networks and databases: many slots, little CPU",
    "cpu": "work that computes: a slot per CPU; say nodes with fast CPUs",
    "ram": "work that needs much memory: one slot; say nodes with much memory",
    "custom": "everything else",
}


def values(plan: Plan, *, services: tuple[str, ...], bounded: frozenset[str]) -> dict[str, Any]:
    """Give the values of a plan.

    services: the names of all services the chart knows; those the plan has not are disabled.
    bounded: pools that have two bounds somewhere; Helm warns where a table is laid over a number, or the other way.
    """
    every = units(plan)
    return {
        "image": Note(image_of(plan), "[deploy].image"),
        "secret": Note(secret_name(plan), "holds the variables; whoever installs makes it"),
        "environment": Note(plan.environment or "", "CELERIAC_ENV of every process"),
        "variables": Note(
            _variables(plan), "read from the secret; without one that is not optional no pod starts"
        ),
        "pools": {
            unit.name: _pool(plan, unit, unit.name in bounded) for unit in every if unit.pool is not None
        },
        "services": {name: _service(name, every) for name in services},
        "keda": Note(
            {"enabled": bool(scaled_units(plan))},
            "pools whose replicas are { min, max } are scaled by KEDA; without it something else has to",
        ),
        "kinds": Note(
            {kind: Note({**_unplaced(), "resources": {}}, _SAYS[kind]) for kind in KINDS},
            "where pods of each kind of work run, and what those of a pool without resources of its own may use",
        ),
    }


def differences(base: Any, laid: Any) -> Any:
    """Give what has to be laid over the values `base` to get `laid`; tables key by key, lists whole."""
    base, laid = plain(base), plain(laid)
    changed: dict[str, Any] = {}
    for key, value in laid.items():
        if key not in base:
            changed[key] = value
        elif isinstance(value, dict) and isinstance(base[key], dict):
            inner = differences(base[key], value)
            if inner:
                changed[key] = inner
        elif value != base[key]:
            changed[key] = value
    # Helm forgets a key that is laid over with null.
    changed.update({key: None for key in base if key not in laid})
    return changed


def _variables(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"name": each["name"], "optional": plain(each["valueFrom"])["secretKeyRef"]["optional"]}
        for each in environment(plan)
        if "valueFrom" in each
    ]


def _pool(plan: Plan, unit: Unit, is_bounded: bool) -> dict[str, Any]:
    assert unit.pool is not None
    bounds = unit.replicas
    count: Any = {"min": bounds.min, "max": bounds.max} if is_bounded else bounds.min
    deployment = objects_of(plan, unit)[0]
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    return {
        "name": object_name(plan, unit),
        "component": unit.title,
        "profile": Note(unit.pool.profile, "which kind its pods are; what its workers do is the plan's"),
        "replicas": Note(count, f"[pools.{unit.name}].replicas"),
        "terminationGracePeriodSeconds": grace,
        "resources": resources(unit),
    }


def _service(name: str, every: tuple[Unit, ...]) -> dict[str, Any]:
    found = [unit for unit in every if unit.name == name]
    values = {"enabled": bool(found), "replicas": found[0].replicas.min if found else 1}
    return {**values, "health": found[0].health} if found and found[0].health else values


def _unplaced() -> dict[str, Any]:
    return {"nodeSelector": {}, "tolerations": [], "affinity": {}, "priorityClassName": ""}
