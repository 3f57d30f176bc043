"""Dashboards: panels in rows, with the choices above them and the links from one to another."""

from __future__ import annotations

import msgspec

from celeriac.deploy.grafana.panels import DATASOURCE, Json, Panel
from celeriac.deploy.prometheus.selecting import Selector
from celeriac.observe.metrics import names
from celeriac.plan import Plan

_WIDTH = 24
#: series of the job that is chosen
OF = Selector('="$job"')


class Row(msgspec.Struct, frozen=True):
    """Panels beside each other, equally wide.

    height: in the grid's units, 30 pixels each.
    """

    height: int
    panels: tuple[Panel, ...]


def dashboard(plan: Plan, name: str, says: str, rows: tuple[Row, ...], *choices: Json) -> Json:
    """Give a dashboard as Grafana keeps it.

    name: in small letters, like "queue"; it becomes part of the title, and of the uid by which links find it.
    choices: variables besides the Prometheus and the job.
    """
    return {
        "uid": uid(plan, name),
        "title": f"{plan.name} / {name}",
        "description": says,
        "tags": ["celeriac", plan.name],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": 39,
        "version": 1,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource(), _job(plan), *choices]},
        "annotations": {"list": [_alerts()]},
        "links": [
            {
                "type": "dashboards",
                "title": "celeriac",
                "tags": ["celeriac", plan.name],
                "asDropdown": False,
                "keepTime": True,
                "includeVars": True,
            }
        ],
        "panels": _laid_out(rows),
    }


def uid(plan: Plan, name: str) -> str:
    """By what links and the address of a dashboard name it; at most 40 characters."""
    return f"{plan.name.lower().replace('.', '-')[:28]}-{name}"


def choice(name: str, query: str) -> Json:
    """Give a variable of which all values are chosen until somebody chooses some.

    query: like `label_values(metric, label)`.
    """
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        **_many(),
    }


def listed(name: str, values: tuple[str, ...]) -> Json:
    """Give a variable whose values the plan knows."""
    options = [{"text": value, "value": value, "selected": False} for value in values]
    return {
        "name": name,
        "label": name,
        "type": "custom",
        "query": ",".join(values),
        "options": options,
        **_many(),
    }


def _many() -> Json:
    return {
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
    }


def _datasource() -> Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "refresh": 1,
    }


def _job(plan: Plan) -> Json:
    query = f"label_values({names.BUILD.name}, job)"
    return {
        "name": "job",
        "label": "plan",
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "job"},
        "refresh": 2,
        "current": {"text": plan.name, "value": plan.name, "selected": True},
    }


def _alerts() -> Json:
    return {
        "name": "alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{job="$job",alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{queue}}{{task}}{{pool}}{{worker}}{{schedule}}",
    }


def _laid_out(rows: tuple[Row, ...]) -> list[Json]:
    placed: list[Json] = []
    y = 0
    for row in rows:
        width = _WIDTH // len(row.panels)
        for at, panel in enumerate(row.panels):
            placed.append(panel.placed(len(placed) + 1, at * width, y, width, row.height))
        y += row.height
    return placed
