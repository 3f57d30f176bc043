"""The objects all units share: who they are, the plan they read, and who may reach them."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.kubernetes.objects import PART_OF, Object, metadata, named
from celeriac.deploy.kubernetes.pods import metrics_port, plan_text
from celeriac.deploy.units import Unit
from celeriac.deploy.yaml import Note
from celeriac.plan import Plan


def service_account(plan: Plan) -> Object:
    """Give the account of the pods, which may ask the cluster nothing."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(plan, named(plan)),
        "automountServiceAccountToken": False,
    }


def plan_map(plan: Plan) -> Object | None:
    """Give the plan's file as the pods read it, its variables left as they are; None if it is in the image alone."""
    text = plan_text(plan)
    if text is None:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(plan, f"{named(plan)}-plan"),
        "data": {"celeriac.toml": text},
    }


def network_policy(plan: Plan, listening: list[Unit]) -> Object:
    """Let nobody in but those who ask for metrics, and the plan's own namespace to its pages.

    What goes out is not bounded: only the project knows which services its tasks call.
    """
    ingress: list[Any] = []
    if plan.metrics is not None:
        ports = [{"protocol": "TCP", "port": metrics_port(plan)}]
        ingress.append(
            Note({"from": [{"namespaceSelector": {}}], "ports": ports}, "Prometheus, wherever it runs")
        )
    pages = [{"protocol": "TCP", "port": unit.port} for unit in listening if unit.kind == "flower"]
    if pages:
        ingress.append({"from": [{"podSelector": {}}], "ports": pages})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(plan, named(plan)),
        "spec": {
            "podSelector": {"matchLabels": {PART_OF: named(plan)}},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }
