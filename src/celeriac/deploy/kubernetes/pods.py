"""Pods: one container for the unit's process, hardened to the restricted standard, and one beside it that counts."""

from __future__ import annotations

import hashlib
from typing import Any

from celeriac.deploy.allotment import allotment
from celeriac.deploy.kubernetes.environment import environment
from celeriac.deploy.kubernetes.objects import labels, named, selector
from celeriac.deploy.units import (
    EVERYWHERE,
    Unit,
    image_of,
    listening,
    volume_of,
    whole_seconds,
    writable_folders,
)
from celeriac.deploy.yaml import Note
from celeriac.plan import Plan
from celeriac.plan.flowers import host_and_port

#: of the image that `celeriac render dockerfile` builds
USER_ID = 10_001
_FOLDER = "/app"
#: Source: kubernetes.io, "Pod Security Standards", restricted
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

_MODEST = "what it needs; who asks for nothing is the first to be put out of a node that is full"


def plan_text(plan: Plan) -> str | None:
    """Give the text of the plan's file for a ConfigMap; None where it is part of a pyproject.toml in the image."""
    if plan.source is None or plan.source.name != "celeriac.toml":
        return None
    return plan.source.read_text()


def pod(plan: Plan, unit: Unit) -> dict[str, Any]:
    """Give the pod template of a unit."""
    text = plan_text(plan)
    annotations = {}
    if text is not None:
        digest = hashlib.sha256(text.encode()).hexdigest()
        annotations["checksum/plan"] = Note(digest, "a changed plan rolls the pods")
    spec: dict[str, Any] = {
        "serviceAccountName": named(plan),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": Note(whole_seconds(unit.stop_after), f"{unit.why}, and 5s"),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            _spread(plan, unit, "kubernetes.io/hostname"),
            _spread(plan, unit, "topology.kubernetes.io/zone"),
        ],
    }
    if unit.kind == "worker" and plan.metrics is not None:
        spec["initContainers"] = Note(
            [_counter(plan)], "starts before the worker and ends after it, so that the last task is counted"
        )
    spec["containers"] = [_container(plan, unit)]
    spec["volumes"] = _volumes(plan)
    template: dict[str, Any] = {"labels": labels(plan, unit.title)}
    if annotations:
        template["annotations"] = annotations
    return {"metadata": template, "spec": spec}


def _container(plan: Plan, unit: Unit) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "celeriac",
        "image": image_of(plan),
        "command": list(listening(unit)),
        "env": environment(plan),
    }
    if unit.port is not None:
        container["ports"] = [{"name": "http", "containerPort": unit.port}]
    container.update(_probes(unit))
    if unit.kind == "worker":
        container["lifecycle"] = {
            "preStop": Note(
                {"exec": {"command": ["celeriac", "drain"]}},
                "takes no more, and ends when what it runs has ended",
            )
        }
    given = resources(unit)
    if given:
        container["resources"] = given
    container["securityContext"] = _RESTRICTED
    container["volumeMounts"] = _mounts(plan)
    return container


def _counter(plan: Plan) -> dict[str, Any]:
    port = metrics_port(plan)
    return {
        "name": "metrics",
        "image": image_of(plan),
        "restartPolicy": "Always",
        "command": ["celeriac", "metrics", "--counts-only", "--address", f"{EVERYWHERE}:{port}"],
        "env": environment(plan),
        "ports": [{"name": "metrics", "containerPort": port}],
        "resources": {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "192Mi"}},
        "securityContext": _RESTRICTED,
        "volumeMounts": _mounts(plan),
    }


def metrics_port(plan: Plan) -> int:
    """The port of the metrics; only for a plan that has them."""
    found = host_and_port(plan.metrics.address) if plan.metrics else None
    return found[1] if found else 9540


def _probes(unit: Unit) -> dict[str, Any]:
    if unit.kind == "worker":
        # The heartbeat file alone: a broker that is away is no reason to kill a worker, nor to roll back.
        ask: dict[str, Any] = {"exec": {"command": ["celeriac", "probe"]}}
        ready: dict[str, Any] = {"exec": {"command": ["celeriac", "probe", "--ready"]}}
    elif unit.port is not None:
        ask = ready = {"httpGet": {"path": unit.health, "port": "http"}}
    else:
        return {}
    return {
        "startupProbe": {**ask, "periodSeconds": 2, "failureThreshold": 60, "timeoutSeconds": 5},
        "livenessProbe": {**ask, "periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 5},
        "readinessProbe": {**ready, "periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 5},
    }


def resources(unit: Unit) -> dict[str, Any]:
    """Give requests and limits as the plan says them; of what is no worker, what it needs when idle."""
    if unit.pool is None:
        return {"requests": Note({"cpu": "10m", "memory": "96Mi"}, _MODEST)}
    given = allotment(unit)
    parts = {
        "requests": given.kept.written(_millicpus, _mebibytes),
        "limits": given.most.written(_millicpus, _mebibytes),
    }
    return {key: value for key, value in parts.items() if value}


def _spread(plan: Plan, unit: Unit, key: str) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(plan, unit.title)},
    }


def _volumes(plan: Plan) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in ("state", "tmp")]
    for folder in writable_folders(plan):
        gone = f"{folder}/ is each pod's own and goes with it: what is to stay belongs elsewhere, or into a claim"
        volumes.append({"name": volume_of(folder), "emptyDir": Note({}, gone)})
    if plan_text(plan) is not None:
        volumes.append({"name": "plan", "configMap": {"name": f"{named(plan)}-plan"}})
    return volumes


def _mounts(plan: Plan) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "state", "mountPath": f"{_FOLDER}/.celeriac"},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
    ]
    for folder in writable_folders(plan):
        mounts.append({"name": volume_of(folder), "mountPath": f"{_FOLDER}/{folder}"})
    if plan_text(plan) is not None:
        mounts.append(
            {
                "name": "plan",
                "mountPath": f"{_FOLDER}/celeriac.toml",
                "subPath": "celeriac.toml",
                "readOnly": True,
            }
        )
    return mounts


def _millicpus(count: float) -> str:
    return f"{count:g}" if float(count).is_integer() else f"{round(count * 1000)}m"


def _mebibytes(size: int) -> str:
    return f"{max(size // 2**20, 1)}Mi"
