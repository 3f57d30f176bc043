"""The objects of a unit: its Deployment, its disruption budget, and a Service where it listens."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.kubernetes.objects import Object, metadata, object_name, selector
from celeriac.deploy.kubernetes.pods import pod
from celeriac.deploy.units import Unit
from celeriac.deploy.yaml import Note
from celeriac.plan import Plan


def objects_of(plan: Plan, unit: Unit) -> list[Object]:
    """Give every object of a unit."""
    objects = [_deployment(plan, unit)]
    if unit.kind == "worker":
        objects.append(_budget(plan, unit))
    if unit.port is not None:
        objects.append(_service(plan, unit))
    return objects


def is_scaled(unit: Unit) -> bool:
    """Say whether something else owns the number of its pods."""
    return unit.replicas.max > unit.replicas.min


def _deployment(plan: Plan, unit: Unit) -> Object:
    spec: dict[str, Any] = {}
    if not is_scaled(unit):
        spec["replicas"] = unit.replicas.min
        if unit.pool is not None:
            spec["replicas"] = Note(unit.replicas.min, f"[pools.{unit.name}].replicas")
    # A new pod works before an old one drains; leases see to it that nothing runs in both.
    spec.update(
        {
            "revisionHistoryLimit": 5,
            "minReadySeconds": 10,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": selector(plan, unit.title)},
            "template": pod(plan, unit),
        }
    )
    meta = metadata(plan, object_name(plan, unit), unit.title)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _budget(plan: Plan, unit: Unit) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(plan, object_name(plan, unit), unit.title),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(plan, unit.title)}},
    }


def _service(plan: Plan, unit: Unit) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(plan, object_name(plan, unit), unit.title),
        "spec": {
            "selector": selector(plan, unit.title),
            "ports": [{"name": "http", "port": unit.port, "targetPort": "http"}],
        },
    }
