"""The files of a Kustomize project: a base, and an overlay for each environment of the plan."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.kubernetes.environment import environment
from celeriac.deploy.kubernetes.objects import Object, namespace, object_name, secret_name
from celeriac.deploy.kubernetes.overlays import overlay
from celeriac.deploy.kubernetes.shared import network_policy, plan_map, service_account
from celeriac.deploy.kubernetes.workloads import objects_of
from celeriac.deploy.targets import read_plan_as_written, require_shared
from celeriac.deploy.units import units
from celeriac.deploy.yaml import Note, dump, dump_all
from celeriac.plan import Plan

_HEAD = "{name}: written by `celeriac render kubernetes`. Change the plan and render again."


def render(plan: Plan) -> dict[str, str]:
    """Give base/ and overlays/NAME/ with a kustomization.yaml each.

    Raises: DeployError DEPLOY-010 if pods cannot share what the plan, or one of its environments, names.
    """
    files: dict[str, str] = {}
    base = objects_by_file(plan)
    overlays = {} if plan.environment or plan.source is None else _environments(plan)
    # A base that only laptops use may name a file as its broker, if every overlay names a server.
    if not overlays:
        require_shared(plan, "Kubernetes")
    head = _HEAD.format(name=plan.name)
    for file, objects in base.items():
        files[f"base/{file}"] = dump_all(objects, head)
    files["base/kustomization.yaml"] = dump(_kustomization(plan, list(base)), _base_head(plan))
    for name, laid in overlays.items():
        files.update(
            {
                f"overlays/{name}/{path}": text
                for path, text in overlay(base, objects_by_file(laid), head).items()
            }
        )
    return files


def objects_by_file(plan: Plan) -> dict[str, list[Object]]:
    """Give every object of a plan, by the file it stands in."""
    every = units(plan)
    shared = [
        service_account(plan),
        plan_map(plan),
        network_policy(plan, [it for it in every if it.port is not None]),
    ]
    files = {"shared.yaml": [each for each in shared if each is not None]}
    for unit in every:
        files[f"{object_name(plan, unit)}.yaml"] = objects_of(plan, unit)
    return files


def _environments(plan: Plan) -> dict[str, Plan]:
    assert plan.source is not None
    laid = {name: read_plan_as_written(plan.source, name) for name in plan.environments}
    for each in laid.values():
        require_shared(each, "Kubernetes")
    return laid


def _kustomization(plan: Plan, files: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": Note(namespace(plan), "[deploy].namespace"),
        "resources": files,
    }


def _base_head(plan: Plan) -> str:
    lines = [
        _HEAD.format(name=plan.name),
        "The variables stand in a secret that whoever deploys makes; (needed) means no pod starts without it:",
        f"  kubectl -n {namespace(plan)} create secret generic {secret_name(plan)} --from-env-file=.env",
    ]
    for each in environment(plan):
        if "valueFrom" in each:
            note = each["valueFrom"]
            needed = "" if note.value["secretKeyRef"]["optional"] else " (needed)"
            lines.append(f"  {each['name']}: {note.text}{needed}")
    return "\n".join(lines)
