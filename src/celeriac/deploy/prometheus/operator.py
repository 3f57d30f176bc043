"""The Prometheus operator: the rules and who is scraped, as objects of a cluster."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.kubernetes.objects import Object, metadata, named, selector
from celeriac.deploy.prometheus.scraping import wants_password
from celeriac.deploy.units import Unit, units
from celeriac.deploy.yaml import Note
from celeriac.plan import Metrics, Plan

_API = "monitoring.coreos.com/v1"


def objects(plan: Plan, metrics: Metrics, rules: dict[str, Any]) -> list[Object]:
    """Give a PrometheusRule, a PodMonitor of the workers and a ServiceMonitor of the metrics server.

    rules: as Prometheus reads them from a file.
    """
    every = units(plan)
    pools = [unit for unit in every if unit.kind == "worker"]
    found: list[Object] = [
        {"apiVersion": _API, "kind": "PrometheusRule", "metadata": metadata(plan, named(plan)), "spec": rules}
    ]
    if pools:
        found.append(_pods(plan, metrics, pools))
    found += [_service(plan, metrics, unit) for unit in every if unit.kind == "metrics"]
    return found


def _pods(plan: Plan, metrics: Metrics, pools: list[Unit]) -> Object:
    components = [unit.title for unit in pools]
    return {
        "apiVersion": _API,
        "kind": "PodMonitor",
        "metadata": metadata(plan, f"{named(plan)}-workers"),
        "spec": {
            "selector": {
                "matchLabels": {"app.kubernetes.io/name": named(plan)},
                "matchExpressions": [
                    {"key": "app.kubernetes.io/component", "operator": "In", "values": components}
                ],
            },
            "podMetricsEndpoints": [_endpoint(plan, metrics, "metrics")],
        },
    }


def _service(plan: Plan, metrics: Metrics, unit: Unit) -> Object:
    return {
        "apiVersion": _API,
        "kind": "ServiceMonitor",
        "metadata": metadata(plan, f"{named(plan)}-{unit.name}", unit.title),
        "spec": {
            "selector": {"matchLabels": selector(plan, unit.title)},
            "endpoints": [_endpoint(plan, metrics, "http")],
        },
    }


def _endpoint(plan: Plan, metrics: Metrics, port: str) -> dict[str, Any]:
    endpoint: dict[str, Any] = {"port": port, "path": "/metrics"}
    if wants_password(plan, metrics):
        secret = f"{named(plan)}-scrape"
        endpoint["basicAuth"] = Note(
            {
                "username": {"name": secret, "key": "username"},
                "password": {"name": secret, "key": "password"},
            },
            "one user:password of [metrics].auth",
        )
    # The operator would call the job by the name of the object; the rules look for the plan's.
    endpoint["relabelings"] = [{"targetLabel": "job", "replacement": plan.name}]
    return endpoint
