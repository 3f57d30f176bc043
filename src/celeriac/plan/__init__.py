"""The plan: what a team declares once, read from a file or built in Python, and proved as a whole.

In flows a celeriac.toml (or [tool.celeriac] of a pyproject.toml) and the environment; out flow one typed `Plan`, the
policy of each task, and the topology: the processes to run with their command lines. What is wrong is raised as one
`PlanError` with every problem, each with its place and its remedy. Nothing here knows Celery.
"""

from celeriac.plan.arguments import celery_arguments, celery_environ
from celeriac.plan.check import check, verify
from celeriac.plan.model import (
    Alerts,
    Autoscale,
    Beat,
    Breaker,
    Deploy,
    Flower,
    Letters,
    LogFile,
    Logs,
    Metrics,
    Plan,
    Policy,
    Pool,
    Queue,
    Records,
    Replicas,
    Resources,
    Retry,
    Scaler,
    Schedule,
    Sending,
    Sentry,
    Spool,
    TaskResults,
    Tracing,
    Variable,
)
from celeriac.plan.policies import policy_for
from celeriac.plan.profiles import effective
from celeriac.plan.reading import find_plan, plan_variables, read_plan
from celeriac.plan.schema import json_schema
from celeriac.plan.topology import Process, topology, worker_process

__all__ = [
    "Alerts",
    "Autoscale",
    "Beat",
    "Breaker",
    "Deploy",
    "Flower",
    "Letters",
    "LogFile",
    "Logs",
    "Metrics",
    "Plan",
    "Policy",
    "Pool",
    "Process",
    "Queue",
    "Records",
    "Replicas",
    "Resources",
    "Retry",
    "Scaler",
    "Schedule",
    "Sending",
    "Sentry",
    "Spool",
    "TaskResults",
    "Tracing",
    "Variable",
    "celery_arguments",
    "celery_environ",
    "check",
    "effective",
    "find_plan",
    "json_schema",
    "plan_variables",
    "policy_for",
    "read_plan",
    "topology",
    "verify",
    "worker_process",
]
