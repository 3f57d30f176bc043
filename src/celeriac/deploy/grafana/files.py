"""The files of Grafana: four dashboards, and what it reads at start to find them and their Prometheus."""

from __future__ import annotations

import json
from typing import Any

from celeriac.deploy.grafana.overview import overview
from celeriac.deploy.grafana.pool import pool
from celeriac.deploy.grafana.queue import queue
from celeriac.deploy.grafana.task import task
from celeriac.deploy.prometheus.files import metrics_of
from celeriac.deploy.yaml import Note, dump
from celeriac.plan import Plan

#: where Grafana's container has its dashboards; with a folder for each plan
_FOLDER = "/var/lib/grafana/dashboards"
_DASHBOARDS = {"overview": overview, "queue": queue, "task": task, "pool": pool}


def render(plan: Plan) -> dict[str, str]:
    """Give dashboards/NAME.json, and provisioning/ as Grafana reads it at start.

    Raises: DeployError DEPLOY-030 if the plan serves no metrics.
    """
    metrics_of(plan)
    head = f"{plan.name}: written by `celeriac render grafana`. Change the plan and render again."
    files = {
        f"dashboards/{name}.json": json.dumps(give(plan), indent=2) + "\n"
        for name, give in _DASHBOARDS.items()
    }
    files[f"provisioning/dashboards/{plan.name}.yaml"] = dump(_provider(plan), head)
    files["provisioning/datasources/prometheus.yaml"] = dump(_source(plan), head)
    return files


def _provider(plan: Plan) -> dict[str, Any]:
    provider = {
        "name": plan.name,
        "type": "file",
        "folder": Note(plan.name, "[celeriac].name"),
        "allowUiUpdates": False,
        "options": {"path": Note(f"{_FOLDER}/{plan.name}", "mount dashboards/ there")},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _source(plan: Plan) -> dict[str, Any]:
    source = {
        "name": "Prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": Note(plan.deploy.prometheus or "http://localhost:9090", "[deploy].prometheus"),
        "isDefault": True,
    }
    return {"apiVersion": 1, "datasources": [source]}
