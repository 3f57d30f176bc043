"""Panels: numbers, curves, tables and heat maps, drawn alike on every dashboard."""

from __future__ import annotations

from typing import Any

import msgspec

Json = dict[str, Any]

#: the dashboard's choice of Prometheus
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, ORANGE, RED = "green", "orange", "red"

#: steps of a threshold: from which value on a colour holds
Steps = tuple[tuple[str, float], ...]
NEUTRAL: Steps = ()
BAD_ABOVE_ZERO: Steps = ((ORANGE, 1),)


class Query(msgspec.Struct, frozen=True):
    """What a panel asks Prometheus.

    legend: of each series, with its labels like {{queue}}.
    """

    expr: str
    legend: str = ""


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel, without its place.

    json: what sets it apart from others; queries are added by `placed`.
    """

    title: str
    says: str
    kind: str
    queries: tuple[Query, ...]
    json: Json
    instant: bool = False

    def placed(self, number: int, x: int, y: int, width: int, height: int) -> Json:
        """Give it as Grafana keeps it, on a grid 24 wide."""
        return {
            "id": number,
            "title": self.title,
            "description": self.says,
            "type": self.kind,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "targets": [self._target(at, query) for at, query in enumerate(self.queries)],
            **self.json,
        }

    def _target(self, at: int, query: Query) -> Json:
        target: Json = {
            "refId": chr(ord("A") + at),
            "datasource": DATASOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "instant": self.instant,
            "range": not self.instant,
        }
        if self.kind in ("table", "heatmap"):
            target["format"] = self.kind
        return target


def number(title: str, says: str, expr: str, *, unit: str = "short", steps: Steps = NEUTRAL) -> Panel:
    """One number, with a curve of how it came to be behind it."""
    return Panel(
        title=title,
        says=says,
        kind="stat",
        queries=(Query(expr),),
        json={
            "fieldConfig": {"defaults": {"unit": unit, **_thresholds(steps)}, "overrides": []},
            "options": {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value",
                "graphMode": "area",
                "textMode": "value",
            },
        },
    )


def state(title: str, says: str, expr: str, *, bad: str, good: str) -> Panel:
    """Whether something holds: 1 or 0, in words."""
    panel = number(title, says, expr, steps=((RED, 0), (GREEN, 1)))
    words = {"0": {"text": bad, "color": RED}, "1": {"text": good, "color": GREEN}}
    panel.json["fieldConfig"]["defaults"]["mappings"] = [{"type": "value", "options": words}]
    panel.json["options"]["graphMode"] = "none"
    return panel


def curves(
    title: str,
    says: str,
    *queries: Query,
    unit: str = "short",
    stacked: bool = False,
    most: float | None = None,
) -> Panel:
    """Curves over time, from zero up, with what each was last and at most below them."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 25 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    defaults: Json = {"unit": unit, "min": 0, "custom": custom, "color": {"mode": "palette-classic"}}
    if most is not None:
        defaults["max"] = most
    return Panel(
        title=title,
        says=says,
        kind="timeseries",
        queries=queries,
        json={
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {
                "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
        },
    )


def heat(title: str, says: str, expr: str) -> Panel:
    """How many took how long, over time; the expression gives the counts of a histogram by `le`, in seconds."""
    return Panel(
        title=title,
        says=says,
        kind="heatmap",
        queries=(Query(expr, "{{le}}"),),
        json={
            "fieldConfig": {
                "defaults": {"custom": {"scaleDistribution": {"type": "linear"}}},
                "overrides": [],
            },
            "options": {
                "calculate": False,
                "yAxis": {"unit": "s"},
                "color": {"mode": "scheme", "scheme": "Oranges", "steps": 32},
                "cellGap": 1,
                "tooltip": {"mode": "single", "yHistogram": False},
            },
        },
    )


def table(title: str, says: str, *columns: tuple[str, Query, str], key: str) -> Panel:
    """A row for each value of the label `key`, a column for each query: its heading, the query, its unit."""
    names = {f"Value #{chr(ord('A') + at)}": heading for at, (heading, _, _) in enumerate(columns)}
    overrides = [
        {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "unit", "value": unit}]}
        for heading, _, unit in columns
    ]
    return Panel(
        title=title,
        says=says,
        kind="table",
        queries=tuple(query for _, query, _ in columns),
        instant=True,
        json={
            "fieldConfig": {
                "defaults": {"custom": {"align": "auto", "filterable": True}},
                "overrides": overrides,
            },
            "options": {"showHeader": True, "cellHeight": "sm"},
            "transformations": [
                {"id": "joinByField", "options": {"byField": key, "mode": "outer"}},
                {"id": "filterFieldsByName", "options": {"include": {"names": [key, *names]}}},
                {"id": "organize", "options": {"renameByName": names}},
            ],
        },
    )


def _thresholds(steps: Steps) -> Json:
    if not steps:
        return {"color": {"mode": "fixed", "fixedColor": "text"}}
    listed: list[Json] = [{"color": GREEN, "value": None}]
    listed += [{"color": colour, "value": value} for colour, value in steps]
    return {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": listed}}
