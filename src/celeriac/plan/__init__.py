"""The plan: what a team declares once, read from a file or built in Python, and proved as a whole.

In flows a celeriac.toml (or [tool.celeriac] of a pyproject.toml) and the environment; out flow one typed `Plan`, the
policy of each task, and the topology: the processes to run with their command lines. What is wrong is raised as one
`PlanError` with every problem, each with its place and its remedy. Nothing here knows Celery.
"""

from celeriac.plan.arguments import celery_arguments, celery_environ
from celeriac.plan.check import check, verify
from celeriac.plan.model import Plan, Variable
from celeriac.plan.policies import is_guarded, policy_for
from celeriac.plan.profiles import effective
from celeriac.plan.reading import find_plan, plan_variables, read_plan
from celeriac.plan.schema import json_schema
from celeriac.plan.tables.deploying import Deploy, Scaler
from celeriac.plan.tables.logs import LogFile, Logs
from celeriac.plan.tables.observing import Alerts, Flower, Metrics, Sentry, Tracing
from celeriac.plan.tables.pools import Autoscale, Pool, Replicas, Resources
from celeriac.plan.tables.queues import Queue
from celeriac.plan.tables.records import Letters, Records
from celeriac.plan.tables.schedules import Beat, Schedule
from celeriac.plan.tables.security import Security, Sender
from celeriac.plan.tables.sending import Sending, Spool
from celeriac.plan.tables.tasks import Breaker, Policy, Retry, TaskResults
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
    "Security",
    "Sender",
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
    "is_guarded",
    "json_schema",
    "plan_variables",
    "policy_for",
    "read_plan",
    "topology",
    "verify",
    "worker_process",
]
