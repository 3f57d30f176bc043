"""Scraping: where Prometheus finds the metrics of a plan's hosts, and how it says who it is."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.yaml import Note
from celeriac.plan import Metrics, Plan
from celeriac.plan.flowers import host_and_port

_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened at


def document(plan: Plan, metrics: Metrics) -> dict[str, Any]:
    """Give the scrape configuration, to be included by `scrape_config_files` or copied into prometheus.yml."""
    job: dict[str, Any] = {"job_name": Note(plan.name, "[celeriac].name; the rules look for this job")}
    if wants_password(plan, metrics):
        job["basic_auth"] = Note(
            {"username": "prometheus", "password_file": f"/etc/prometheus/{plan.name}-password"},
            "one user:password of [metrics].auth",
        )
    found = host_and_port(metrics.address)
    host, port = found or ("127.0.0.1", 9540)
    host = "127.0.0.1" if host in _ANYWHERE else host
    job["static_configs"] = Note(
        [{"targets": [f"{host}:{port}"]}], "[metrics].address; name every host that runs `celeriac metrics`"
    )
    return {"scrape_configs": [job]}


def wants_password(plan: Plan, metrics: Metrics) -> bool:
    """Say whether the plan's metrics may ask who scrapes; a variable may be empty here and set where it runs."""
    return bool(metrics.auth) or any("[metrics].auth" in variable.at for variable in plan.variables)
