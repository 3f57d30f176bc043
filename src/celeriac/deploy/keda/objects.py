"""The objects KEDA reads: a ScaledObject per pool, and who it says it is when it asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celeriac.deploy.keda.triggers import triggers
from celeriac.deploy.kubernetes.objects import Object, metadata, named, object_name, secret_name
from celeriac.deploy.kubernetes.workloads import is_scaled
from celeriac.deploy.units import Unit, units, whole_seconds
from celeriac.deploy.yaml import Note
from celeriac.errors import DeployError
from celeriac.plan import Plan
from celeriac.units import say_duration

API = "keda.sh/v1alpha1"
#: as long as nothing is to be done before pods are taken away, unless a task runs longer
_CALM = timedelta(minutes=5)
#: the longest that an HPA looks back. Source: kubernetes.io, HPAScalingRules
_LOOK_BACK = timedelta(hours=1)


def objects_by_file(plan: Plan) -> dict[str, list[Object]]:
    """Give every object, by the file it stands in.

    Raises: DeployError DEPLOY-020 if no pool has two bounds.
    """
    scaled = scaled_units(plan)
    if not scaled:
        raise DeployError(
            "DEPLOY-020",
            "no pool has two bounds for its workers, so there is nothing to scale",
            at=str(plan.source) if plan.source else None,
            fix="write replicas = { min = 1, max = 4 } in a pool",
        )
    files = {f"{object_name(plan, unit)}.yaml": [scaled_object(plan, unit)] for unit in scaled}
    who = authentication(plan)
    return files if who is None else {"authentication.yaml": [who], **files}


def scaled_units(plan: Plan) -> list[Unit]:
    """List the pools whose pods something else counts."""
    return [unit for unit in units(plan) if unit.pool is not None and is_scaled(unit)]


def scaled_object(plan: Plan, unit: Unit) -> Object:
    """Give the ScaledObject of a pool.

    Raises: DeployError if its scaler lacks something.
    """
    asked = triggers(plan, unit)
    every, why_every = _polling(plan, unit)
    calm, why_calm = _calm(unit)
    advanced: dict[str, Any] = {
        "horizontalPodAutoscalerConfig": {"behavior": _behavior(min(calm, _LOOK_BACK), why_calm)}
    }
    if asked.formula is not None:
        advanced["scalingModifiers"] = Note(
            {
                "formula": asked.formula,
                "target": str(asked.target),
                "activationTarget": "0",
                "metricType": "AverageValue",
            },
            "one number of all triggers; left alone, the largest would count",
        )
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": object_name(plan, unit)},
        "pollingInterval": Note(every, why_every),
        "cooldownPeriod": Note(whole_seconds(calm), f"from the last task to no pod at all: {why_calm}"),
        "minReplicaCount": Note(unit.replicas.min, f"[pools.{unit.name}].replicas.min"),
        "maxReplicaCount": Note(unit.replicas.max, f"[pools.{unit.name}].replicas.max"),
        "fallback": Note(
            {
                "failureThreshold": 3,
                "replicas": max(unit.replicas.min, 1),
                "behavior": "currentReplicasIfHigher",
            },
            "while the number cannot be had, what runs stays",
        ),
        "advanced": advanced,
        "triggers": asked.triggers,
    }
    meta = metadata(plan, object_name(plan, unit), unit.title)
    return {"apiVersion": API, "kind": "ScaledObject", "metadata": meta, "spec": spec}


def authentication(plan: Plan) -> Object | None:
    """Give what all triggers log in by; None if they need not.

    Every value is a key of the plan's secret, none stands here.
    """
    parameters = _parameters(plan)
    if not parameters:
        return None
    return {
        "apiVersion": API,
        "kind": "TriggerAuthentication",
        "metadata": metadata(plan, named(plan)),
        "spec": {
            "secretTargetRef": [
                {"parameter": parameter, "name": secret_name(plan), "key": key}
                for parameter, key in parameters.items()
            ]
        },
    }


def _parameters(plan: Plan) -> dict[str, str]:
    found: dict[str, str] = {}
    for unit in scaled_units(plan):
        found.update(triggers(plan, unit).secrets)
    return found


def _polling(plan: Plan, unit: Unit) -> tuple[int, str]:
    """Say how often to look, in seconds: twice within the shortest objective of the pool's queues."""
    assert unit.pool is not None
    waits = [
        (queue.max_wait, name)
        for name in unit.pool.queues
        if (queue := plan.queues.get(name)) and queue.max_wait
    ]
    if not waits:
        return 15, "no queue of the pool has a max_wait"
    shortest, name = min(waits)
    every = min(max(whole_seconds(shortest) // 2, 5), 30)
    return every, f"[queues.{name}].max_wait is {say_duration(shortest)}"


def _calm(unit: Unit) -> tuple[timedelta, str]:
    if unit.longest and unit.longest > _CALM:
        return unit.longest, f"the longest task, {say_duration(unit.longest)}"
    return _CALM, f"longer than any task ({say_duration(unit.longest)})" if unit.longest else "5m"


def _behavior(calm: timedelta, why: str) -> dict[str, Any]:
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": Note(
                whole_seconds(calm), f"a pod goes when none was missed for so long: {why}"
            ),
            "selectPolicy": "Max",
            # A pod that goes drains by its grace; few at once leave the others time to take over.
            "policies": [
                {"type": "Percent", "value": 25, "periodSeconds": 60},
                {"type": "Pods", "value": 1, "periodSeconds": 60},
            ],
        },
    }
