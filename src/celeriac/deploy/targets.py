"""Reading a plan for a target: the same on every machine, and refused where the target cannot keep what it says."""

from __future__ import annotations

import os
from pathlib import Path

from celeriac.deploy.environment import told_by
from celeriac.errors import DeployError, redacted
from celeriac.plan import Plan, plan_variables, read_plan

#: brokers, records and results that live in files or in the memory of one host
_ON_ONE_HOST = ("sqlite", "memory", "filesystem", "file", "cache")
_WHAT = {
    "broker": "messages",
    "results": "results",
    "state": "records",
    "coordination": "what processes agree by",
}


def read_plan_as_written(path: Path, environment: str | None = None) -> Plan:
    """Read a plan with the defaults of its variables, whatever this environment says.

    Of the environment only those variables are read that have no default somewhere in the plan.
    Raises: PlanError with every problem of the file.
    """
    needed = {it.name for it in plan_variables(path, environment) if it.required}
    environ = {name: os.environ[name] for name in sorted(needed & set(os.environ))}
    return read_plan(path, env=environment or "", environ=environ)


def require_shared(plan: Plan, target: str) -> None:
    """See that processes on several hosts can share what the plan names.

    target: as the message calls it, like "Kubernetes".
    Raises: DeployError DEPLOY-010 for the first address that only one host can use.
    """
    for key, what in _WHAT.items():
        url = getattr(plan, key)
        scheme = url.partition("://")[0].partition("+")[0]
        if scheme in _ON_ONE_HOST:
            wanted = (
                "postgresql://…"
                if key == "state"
                else "redis://… or amqp://…"
                if key == "broker"
                else "redis://…"
            )
            variable = told_by(plan, key)
            raise DeployError(
                "DEPLOY-010",
                f"[celeriac].{key} keeps {what} at {redacted(url)}, which the pods of {target} cannot share",
                at=str(plan.source) if plan.source else None,
                fix=f'write {key} = "${{{variable}:-{wanted}}}", in [environments.NAME.celeriac] if only there',
            )
