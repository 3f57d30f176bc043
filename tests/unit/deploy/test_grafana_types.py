"""Dashboards in the types that Grafana's own schema is: what they do not name Grafana would ignore."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from celeriac.deploy.renderers import render

#: keys that Grafana's pages keep beside its schema: how annotations are worded, and what a choice's box shows
BESIDE_SCHEMA = re.compile(r"/annotations/list/\d+/(text|title)Format|/templating/list/\d+/definition")


@pytest.fixture
def dashboards(assistant) -> dict[str, Any]:
    return {
        path: json.loads(text)
        for path, text in render(assistant, "grafana").items()
        if path.startswith("dashboards/")
    }


def read_by_grafana(dashboard: dict[str, Any]) -> dict[str, Any]:
    register_default_plugins()
    read: dict[str, Any] = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    return read


def left_out(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """Every key or value of a dashboard that is not there once Grafana's types have read it."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            if key in read:
                yield from left_out(value, read[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}"
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for at, (one, other) in enumerate(zip(given, read, strict=True)):
            yield from left_out(one, other, f"{path}/{at}")
    elif given != read:
        yield path


def test_grafana_knows_every_key_of_every_dashboard(dashboards):
    assert len(dashboards) == 4
    for path, dashboard in dashboards.items():
        unknown = [
            each
            for each in left_out(dashboard, read_by_grafana(dashboard))
            if not BESIDE_SCHEMA.fullmatch(each)
        ]
        assert unknown == [], path


def test_a_misspelt_key_would_be_found(dashboards):
    dashboard = dashboards["dashboards/queue.json"]
    dashboard["panels"][0]["options"]["reduceOption"] = {"calcs": ["mean"]}
    assert "/panels/0/options/reduceOption" in set(left_out(dashboard, read_by_grafana(dashboard)))
