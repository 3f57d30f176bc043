"""The renderers: what each target is called, and the one call that renders it."""

from __future__ import annotations

import importlib
from typing import Any

from celeriac.errors import DeployError
from celeriac.plan import Plan

#: target → what it gives; the module of that name in this room has `render(plan) -> {path: text}`
TARGETS: dict[str, str] = {
    "compose": "a Compose project, with the servers the plan expects beside it",
    "dockerfile": "the image every process runs in",
    "env": "the variables the plan reads, to be filled in",
    "grafana": "four dashboards, and the files by which Grafana finds them",
    "helm": "a chart, with values checked by a schema, and values for each environment",
    "keda": "what starts and stops the pods of pools with two bounds",
    "kubernetes": "manifests with Kustomize: a base, and an overlay per environment",
    "prometheus": "what Prometheus scrapes, rules and alerts with their tests, and the same for its operator",
    "systemd": "unit files with hardening, a template per pool",
    "supervisor": "a configuration of supervisord",
}


def render(plan: Plan, target: str) -> dict[str, str]:
    """Render a plan for a target.

    Returns: the text of each file by its path, which is relative and has forward slashes.
    Raises: DeployError if the target is not known, or cannot keep what the plan says.
    """
    if target not in TARGETS:
        raise DeployError(
            "DEPLOY-001",
            f'there is nothing to render called "{target}"',
            known=list(TARGETS),
            fix="name one of these",
        )
    module: Any = importlib.import_module(f"celeriac.deploy.{target}")
    files: dict[str, str] = module.render(plan)
    return files
