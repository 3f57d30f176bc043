"""Deploying: replicas, resources and the names a host or a cluster has to take."""

from __future__ import annotations

import re

from celeriac.plan.model import Deploy, Plan, Pool, Replicas, Resources
from celeriac.plan.report import PlanPath, Report, clipped
from celeriac.units import cpus, say_size

#: RFC 1123, as Kubernetes wants it of a namespace
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
#: Source: the grammar of references in the distribution project, without digests
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*[a-z0-9](:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
#: a folder without blanks or anything a unit file or a shell would read as more than text
_FOLDER = re.compile(r"(/[A-Za-z0-9._+@-]+)+\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report bounds that leave nothing between them, and names that a target would refuse."""
    for name, pool in plan.pools.items():
        _judge_replicas(report, ("pools", name, "replicas"), name, pool)
        if pool.resources is not None:
            _judge_resources(report, ("pools", name, "resources"), name, pool.resources)
    _judge_names(report, plan.deploy)


def _judge_replicas(report: Report, path: PlanPath, name: str, pool: Pool) -> None:
    bounds = pool.replicas
    if isinstance(bounds, Replicas) and bounds.min > bounds.max:
        report.add(
            path,
            "PLAN-090",
            f'pool "{clipped(name)}" runs at least {bounds.min} workers, but at most {bounds.max}.',
            fix=f"write min = {bounds.max} or less, or max = {bounds.min} or more",
        )


def _judge_resources(report: Report, path: PlanPath, name: str, resources: Resources) -> None:
    for key in ("cpu", "cpu_reserved"):
        text = getattr(resources, key)
        if text is not None and cpus(text) is None:
            report.add(
                (*path, key),
                "PLAN-091",
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
                "PLAN-092",
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
            report.add(("deploy", key), "PLAN-093", f'"{clipped(text)}" is not {what}.', fix=fix)
