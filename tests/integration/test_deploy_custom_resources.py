"""What is rendered for KEDA and the Prometheus operator, held against the types of their own objects."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from celeriac.deploy.renderers import render
from celeriac.deploy.targets import read_plan_as_written
from servers.custom_resources import complaints

ROOT = Path(__file__).resolve().parents[2]
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


def test_a_wrong_value_and_a_misspelt_field_would_be_found(rendered: dict[str, Any], tmp_path: Path) -> None:
    scaled = next(each for each in rendered.values() if each["kind"] == "ScaledObject")
    monitor = next(each for each in rendered.values() if each["kind"] == "PodMonitor")
    late, misspelt, unknown = copy.deepcopy([scaled, scaled, monitor])
    late["spec"]["pollingInterval"] = "15s"
    misspelt["spec"]["fallback"]["behaviour"] = misspelt["spec"]["fallback"].pop("behavior")
    unknown["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["target_label"] = "job"
    found = complaints([scaled, late, misspelt, unknown], tmp_path)
    assert [line[0] for line in found if line[0] != " "].count("0") == 0
    assert any(line.startswith("1:") and "pollingInterval" in line for line in found)
    assert any(line.startswith("2:") and "behaviour" in line for line in found)
    assert any(line.startswith("3:") and "target_label" in line for line in found)
