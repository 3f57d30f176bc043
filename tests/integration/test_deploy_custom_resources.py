"""What is rendered for KEDA and the Prometheus operator, held against their own types and against our schemas."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from celeriac.deploy.renderers import render
from celeriac.deploy.targets import read_plan_as_written
from servers.custom_resources import complaints

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "src" / "celeriac" / "deploy" / "schemas"
ASSISTANT = ROOT / "tests" / "unit" / "deploy" / "assistant.toml"
SCALED = """\
[celeriac]
name = "shop"
broker = "{broker}"
state = "postgresql://db.example/shop"
results = "redis://results.example:6379/1"
[queues."mail.out"]
max_wait = "500ms"
[queues.chat]
[pools.web]
queues = ["mail.out", "chat"]
concurrency = 4
time_limit = "3h"
replicas = {{ min = 0, max = 6 }}
[pools.two]
queues = ["chat"]
concurrency = 1
replicas = {{ min = 2, max = 3 }}
[metrics]
auth = "${{METRICS_AUTH:-}}"
[deploy]
scaler = "{scaler}"
prometheus = "http://prometheus.example:9090"
"""
#: what asks whom, on what broker
SCALERS = {
    "metrics-api": "amqp://rabbit.example:5672//",
    "prometheus": "redis://redis.example:6379/0",
    "rabbitmq": "amqp://rabbit.example:5672//",
    "redis": "rediss://redis.example:6379/3?ssl_cert_reqs=required",
}
KINDS = {"ScaledObject", "TriggerAuthentication", "PrometheusRule", "PodMonitor", "ServiceMonitor"}


def custom_objects(text: str) -> list[Any]:
    reader = YAML(typ="safe", pure=True)
    reader.version = "1.1"  # as Kubernetes reads
    return [each for each in reader.load_all(text) if each and each.get("kind") in KINDS]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every custom object of plans with every scaler, and of the examples, by where it was found."""
    found: dict[str, Any] = {}

    def keep(where: str, text: str) -> None:
        for each in custom_objects(text):
            found[f"{where}: {each['kind']} {each['metadata']['name']}"] = each

    for scaler, broker in SCALERS.items():
        folder = tmp_path_factory.mktemp(scaler)
        (folder / "celeriac.toml").write_text(SCALED.format(scaler=scaler, broker=broker))
        for path, text in render(read_plan_as_written(folder / "celeriac.toml"), "keda").items():
            keep(f"{scaler} {path}", text)
    folder = tmp_path_factory.mktemp("assistant")
    shutil.copy(ASSISTANT, folder / "celeriac.toml")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SENTRY_DSN", "https://key@sentry.example/1")
        plan = read_plan_as_written(folder / "celeriac.toml")
        for target in ("keda", "prometheus"):
            for path, text in render(plan, target).items():
                keep(f"assistant {path}", text)
    for file in ROOT.glob("examples/*/deploy/*/*.yaml"):
        keep(str(file.relative_to(ROOT)), file.read_text())
    return found


def test_every_kind_of_object_is_among_what_is_rendered(rendered: dict[str, Any]) -> None:
    assert {each["kind"] for each in rendered.values()} == KINDS


def test_every_object_is_what_its_controller_takes(rendered: dict[str, Any], tmp_path: Path) -> None:
    where = list(rendered)
    found = complaints(list(rendered.values()), tmp_path)
    assert found == [], f"{found}\n{dict(enumerate(where))}"


def by_schema(each: Any) -> list[str]:
    """List what the schema that Celeriac carries has against an object."""
    group, version = each["apiVersion"].split("/")
    schema = json.loads((SCHEMAS / group / f"{each['kind'].lower()}_{version}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(each)]


def test_every_object_fits_the_schema_that_celeriac_carries(rendered: dict[str, Any]) -> None:
    assert {where: found for where, each in rendered.items() if (found := by_schema(each))} == {}


def test_there_is_a_schema_for_each_kind_and_no_other() -> None:
    names = {file.stem.partition("_")[0] for file in SCHEMAS.glob("*/*.json")}
    assert names == {kind.lower() for kind in KINDS}


def flawed(rendered: dict[str, Any]) -> list[Any]:
    """Give a sound object, one with a wrong value, and two with a misspelt field."""
    scaled = next(each for each in rendered.values() if each["kind"] == "ScaledObject")
    monitor = next(each for each in rendered.values() if each["kind"] == "PodMonitor")
    late, misspelt, unknown = copy.deepcopy([scaled, scaled, monitor])
    late["spec"]["pollingInterval"] = "15s"
    misspelt["spec"]["fallback"]["behaviour"] = misspelt["spec"]["fallback"].pop("behavior")
    unknown["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["target_label"] = "job"
    return [scaled, late, misspelt, unknown]


def test_the_schemas_find_a_wrong_value_and_a_misspelt_field(rendered: dict[str, Any]) -> None:
    sound, late, misspelt, unknown = map(by_schema, flawed(rendered))
    assert sound == []
    assert [line for line in late if "pollingInterval" in line and "15s" in line]
    assert [line for line in misspelt if "behaviour" in line]
    assert [line for line in unknown if "target_label" in line]


def test_a_wrong_value_and_a_misspelt_field_would_be_found(rendered: dict[str, Any], tmp_path: Path) -> None:
    found = complaints(flawed(rendered), tmp_path)
    assert [line[0] for line in found if line[0] != " "].count("0") == 0
    assert any(line.startswith("1:") and "pollingInterval" in line for line in found)
    assert any(line.startswith("2:") and "behaviour" in line for line in found)
    assert any(line.startswith("3:") and "target_label" in line for line in found)
