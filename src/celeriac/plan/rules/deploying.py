"""Deploying: replicas, resources and the names a host or a cluster has to take."""

from __future__ import annotations

import re
from collections import Counter

from celeriac.plan.flowers import flowers_of
from celeriac.plan.model import Plan
from celeriac.plan.report import PlanPath, Report, clipped, write_or
from celeriac.plan.tables.deploying import Deploy
from celeriac.plan.tables.pools import Pool, Replicas, Resources
from celeriac.units import cpus, say_size

#: RFC 1123, as Kubernetes wants it of a namespace
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
#: Source: the grammar of references in the distribution project, without digests
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*[a-z0-9](:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
#: a folder without blanks or anything a unit file or a shell would read as more than text
_INSIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*\Z")
_FOLDER = re.compile(r"(/[A-Za-z0-9._+@-]+)+\Z")

_URL = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report bounds that leave nothing between them, and names that a target would refuse."""
    for name, pool in plan.pools.items():
        _judge_replicas(report, ("pools", name, "replicas"), name, pool)
        if pool.resources is not None:
            _judge_resources(report, ("pools", name, "resources"), name, pool.resources)
    _judge_names(report, plan.deploy)
    _judge_writable(report, plan.deploy)
    _judge_titles(report, plan)
    _judge_prometheus(report, plan.deploy)


def _judge_replicas(report: Report, path: PlanPath, name: str, pool: Pool) -> None:
    bounds = pool.replicas
    if isinstance(bounds, Replicas) and bounds.min > bounds.max:
        report.add(
            path,
            "PLAN-110",
            f'pool "{clipped(name)}" runs at least {bounds.min} workers, but at most {bounds.max}.',
            fix=f"write min = {bounds.max} or less, or max = {bounds.min} or more",
        )


def _judge_resources(report: Report, path: PlanPath, name: str, resources: Resources) -> None:
    for key in ("cpu", "cpu_reserved"):
        text = getattr(resources, key)
        if text is not None and cpus(text) is None:
            report.add(
                (*path, key),
                "PLAN-111",
                f'"{clipped(text)}" is no number of CPUs.',
                fix='write CPUs like "2" or "0.5", or thousandths of one like "500m"',
            )
    pairs = (
        ("cpu_reserved", cpus(resources.cpu_reserved or ""), cpus(resources.cpu or "")),
        ("memory_reserved", resources.memory_reserved, resources.memory),
    )
    for key, reserved, most in pairs:
        if reserved is not None and most is not None and reserved > most:
            said = say_size(int(most)) if key == "memory_reserved" else f"{most:g} CPUs"
            report.add(
                (*path, key),
                "PLAN-112",
                f'pool "{clipped(name)}" reserves more than the {said} its workers may use.',
                fix=f"write less than {said}, or allow more",
            )


def _judge_names(report: Report, deploy: Deploy) -> None:
    wanted = (
        ("image", _IMAGE, "the name of an image", 'write it like "registry.example/shop:1.4"'),
        ("namespace", _LABEL, "a name for a namespace", "use up to 63 small letters, digits and dashes"),
        ("user", _USER, "a name for a user", "use up to 32 small letters, digits, dashes and underscores"),
        (
            "folder",
            _FOLDER,
            "the path of a folder",
            'write it from the root and without blanks, like "/srv/shop"',
        ),
    )
    for key, pattern, what, fix in wanted:
        text = getattr(deploy, key)
        if text and not pattern.match(text):
            report.add(("deploy", key), "PLAN-113", f'"{clipped(text)}" is not {what}.', fix=fix)


def _judge_writable(report: Report, deploy: Deploy) -> None:
    for at, folder in enumerate(deploy.writable):
        if not _INSIDE.match(folder) or ".." in folder.split("/"):
            report.add(
                ("deploy", "writable", at),
                "PLAN-116",
                f'"{clipped(folder)}" is no folder inside the project.',
                fix='write it from the project\'s folder, like "var" or "data/out"',
            )


def _judge_prometheus(report: Report, deploy: Deploy) -> None:
    if deploy.prometheus and not _URL.match(deploy.prometheus):
        report.add(
            ("deploy", "prometheus"),
            "PLAN-117",
            f'"{clipped(deploy.prometheus)}" is not where Prometheus answers.',
            fix='write a URL without a password, like "http://prometheus.monitoring.svc:9090"',
        )


def _judge_titles(report: Report, plan: Plan) -> None:
    known = (*plan.pools, "recorder", "beat", "metrics", *flowers_of(plan))
    for name, title in plan.deploy.names.items():
        path = ("deploy", "names", name)
        if name not in known:
            report.add(
                path,
                "PLAN-114",
                f'"{clipped(name)}" is no process of the plan.',
                known=known,
                fix=write_or(name, known, "name a pool or a service of the plan"),
            )
        elif not _LABEL.match(title):
            report.add(
                path,
                "PLAN-113",
                f'"{clipped(title)}" is not a name a process can have everywhere.',
                fix="use up to 63 small letters, digits and dashes",
            )
    titles = Counter(plan.deploy.names.get(name, name) for name in known)
    for name in plan.deploy.names:
        if titles[plan.deploy.names[name]] > 1:
            report.add(
                ("deploy", "names", name),
                "PLAN-115",
                f'two processes would be called "{clipped(plan.deploy.names[name])}".',
                fix="give each a name of its own",
            )
