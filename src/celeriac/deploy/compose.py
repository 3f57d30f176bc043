"""A Compose project: a service per pool, the services of the plan, and the servers it expects beside it."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.allotment import allotment
from celeriac.deploy.environment import PASSWORDS, Address, addresses_beside, handed_on, user_of
from celeriac.deploy.servers import LOGGING, server_services
from celeriac.deploy.units import (
    Unit,
    at_least,
    image_of,
    listening,
    units,
    volume_of,
    whole_seconds,
    writable_folders,
)
from celeriac.deploy.yaml import Note, Shared, dump
from celeriac.plan import Plan

FILE = "compose.yaml"

_HEAD = """{name}: the plan as a Compose project, written by `celeriac render compose`.
Change the plan and render again; `celeriac render compose --diff` shows what would change.
  celeriac render env > .env            and fill in the passwords
  docker compose up --build --detach    from the project's folder; --project-directory . if this file lies elsewhere"""


def render(plan: Plan) -> dict[str, str]:
    """Give compose.yaml."""
    beside = addresses_beside(plan)
    servers = server_services(plan, beside)
    environment = Shared("environment", _environment(plan, beside))
    services: dict[str, Any] = {}
    for unit in units(plan):
        services[unit.title] = Note(_service(plan, unit, environment, list(servers)), _above(unit))
    services.update(servers)
    document = {
        "x-environment": environment,
        "x-logging": Note(LOGGING, "Docker itself keeps every line for ever, until the disk is full"),
        "services": services,
        "volumes": {
            "state": Note({}, "the folder .celeriac/, which all processes share"),
            **{volume_of(folder): Note({}, f"the folder {folder}/") for folder in writable_folders(plan)},
            **{f"{kind}-data": {} for kind in servers},
        },
    }
    return {FILE: dump(document, _HEAD.format(name=plan.name))}


def _above(unit: Unit) -> str:
    if unit.pool is None:
        return (
            f"[{unit.kind}]"
            if unit.kind in ("beat", "metrics", "flower")
            else "keeps the dead letters and the runs"
        )
    return f"[pools.{unit.name}] reads {', '.join(unit.pool.queues)}"


def _environment(plan: Plan, beside: tuple[Address, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if plan.environment:
        values["CELERIAC_ENV"] = plan.environment
    for address in beside:
        password = f"${{{PASSWORDS[address.kind]}:?set it in .env}}"
        values[address.variable] = Note(
            address.url(user_of(plan), password), f"[celeriac].{address.key}, at the service below"
        )
    for variable in handed_on(plan, frozenset(it.key for it in beside)):
        # Empty takes the plan's own default, which so stands in one place.
        reference = (
            f"${{{variable.name}:?set it in .env}}" if variable.required else f"${{{variable.name}:-}}"
        )
        values[variable.name] = Note(reference, ", ".join(variable.at))
    return values


def _service(plan: Plan, unit: Unit, environment: Shared, servers: list[str]) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": image_of(plan),
        "build": ".",
        "command": list(listening(unit)),
        "environment": environment,
        "init": Note(True, "reaps what a killed slot leaves behind"),
        "restart": "unless-stopped",
        "stop_grace_period": Note(f"{whole_seconds(unit.stop_after)}s", f"{unit.why}, and 5s"),
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "volumes": [
            "state:/app/.celeriac",
            *(f"{volume_of(folder)}:/app/{folder}" for folder in writable_folders(plan)),
        ],
    }
    if servers:
        service["depends_on"] = {kind: {"condition": "service_healthy"} for kind in servers}
    if unit.port is not None:
        service["ports"] = Note(
            [f"127.0.0.1:{unit.port}:{unit.port}"], "this host only; a proxy lets others in"
        )
    check = _healthcheck(unit)
    if check:
        service["healthcheck"] = check
    service["logging"] = LOGGING
    service["deploy"] = _deploy(unit)
    return service


def _healthcheck(unit: Unit) -> dict[str, Any] | None:
    if unit.kind == "worker":
        test = ["CMD", "celeriac", "probe", "--here"]
        return {"test": test, "interval": "10s", "timeout": "5s", "retries": 3, "start_period": "60s"}
    if unit.port is None:
        return None
    asked = f"http://127.0.0.1:{unit.port}{unit.health}"
    question = f"import urllib.request as u; u.urlopen('{asked}', timeout=3)"
    return {
        "test": ["CMD", "python", "-c", question],
        "interval": "10s",
        "timeout": "5s",
        "start_period": "30s",
    }


def _deploy(unit: Unit) -> dict[str, Any]:
    bounds = unit.replicas
    least = at_least(unit)
    replicas: Any = least
    if unit.pool:
        more = f", up to {bounds.max} where something scales it" if bounds.max > least else ""
        replicas = Note(least, f"[pools.{unit.name}].replicas{more}")
    deploy: dict[str, Any] = {"replicas": replicas}
    resources = _resources(unit)
    if resources:
        deploy["resources"] = resources
    # Several run side by side with nothing lost or sent twice: leases see to the tasks, the term to the schedules.
    one_by_one = {"parallelism": 1, "delay": "10s", "order": "start-first"}
    if unit.port is not None:
        one_by_one["order"] = "stop-first"  # two cannot publish one port
    deploy["update_config"] = {**one_by_one, "failure_action": "rollback"}
    deploy["rollback_config"] = one_by_one
    return deploy


def _resources(unit: Unit) -> dict[str, Any]:
    given = allotment(unit)
    parts = {
        "limits": given.most.written(_cpus, _mebibytes, "cpus"),
        "reservations": given.kept.written(_cpus, _mebibytes, "cpus"),
    }
    return {key: value for key, value in parts.items() if value}


def _cpus(count: float) -> str:
    return f"{count:g}"


def _mebibytes(size: int) -> str:
    return f"{max(size // 2**20, 1)}M"
