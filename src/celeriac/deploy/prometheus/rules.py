"""Rules: what is worked out, what wakes somebody, and the numbers that prove it does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Literal

import msgspec

from celeriac.deploy.yaml import Note
from celeriac.plan import Plan
from celeriac.units import say_duration

Severity = Literal["critical", "warning"]

MINUTE = timedelta(minutes=1)


class Recording(msgspec.Struct, frozen=True):
    """An expression that is worked out once for all who ask; its name is level:metric:operation."""

    name: str
    expr: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Series under which an alert fires, and under which it does not.

    fires, quiet: series → its values a minute apart, as promtool writes them ("0+1x10").
    minutes: when to look.
    labels: what the alert that fires says of itself, besides job and severity.
    """

    fires: dict[str, str]
    quiet: dict[str, str]
    minutes: int = 30
    labels: dict[str, str] = {}


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A condition under which somebody is woken.

    name: in CamelCase, without the prefix Celeriac.
    wait: how long it holds before it fires.
    why: where in the plan its bound comes from; empty: it has none there.
    labels: besides the severity, those that its expression does not give.
    """

    name: str
    expr: str
    wait: timedelta
    severity: Severity
    summary: str
    description: str
    proofs: tuple[Proof, ...]
    why: str = ""
    labels: dict[str, str] = {}

    @property
    def title(self) -> str:
        """What Prometheus calls it."""
        return f"Celeriac{self.name}"

    @property
    def page(self) -> str:
        """The file of its runbook."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.name).lower() + ".md"


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Rules worked out one after the other, so that an alert sees what was recorded just before."""

    name: str
    recordings: tuple[Recording, ...] = ()
    alerts: tuple[Alert, ...] = ()


def document(plan: Plan, groups: tuple[Group, ...]) -> dict[str, Any]:
    """Give the rules as Prometheus reads them."""
    return {
        "groups": [
            {"name": f"{plan.name}: {group.name}", "rules": list(_rules(plan, group))} for group in groups
        ]
    }


def _rules(plan: Plan, group: Group) -> Iterator[dict[str, Any]]:
    for recording in group.recordings:
        yield {"record": recording.name, "expr": f"{recording.expr}\n"}
    for alert in group.alerts:
        yield {
            "alert": alert.title,
            "expr": Note(f"{alert.expr}\n", alert.why) if alert.why else f"{alert.expr}\n",
            "for": say_duration(alert.wait),
            "labels": labels_of(plan, alert),
            "annotations": {
                "summary": alert.summary,
                "description": alert.description,
                "runbook_url": f"{plan.alerts.runbooks.rstrip('/')}/{alert.page}",
            },
        }


def labels_of(plan: Plan, alert: Alert) -> dict[str, str]:
    """Give the labels that the rule itself puts on an alert."""
    return {**plan.alerts.labels, **alert.labels, "severity": alert.severity}


def series(plan: Plan, name: str, host: str = "a", **labels: str) -> str:
    """Write one series of a proof, as scraped from a host."""
    every = {"job": plan.name, "instance": f"{host}:9540", **labels}
    return f"{name}{{{written(every)}}}"


def written(labels: dict[str, str]) -> str:
    """Write labels as PromQL compares them."""
    return ",".join(f'{key}="{value}"' for key, value in labels.items())


def any_of(names: Iterable[str]) -> str:
    """Write the regular expression of these names for a PromQL string."""
    return "|".join(re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\\\1", name) for name in names)
