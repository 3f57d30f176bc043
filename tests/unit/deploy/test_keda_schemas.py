"""KEDA's objects, held against the schemas of its own custom resources, in which an unknown key is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from celeriac.deploy.keda import render
from celeriac.deploy.targets import read_plan_as_written

SCHEMAS = Path(__file__).parents[2] / "schemas" / "keda"
KINDS = {"ScaledObject": "scaledobjects", "TriggerAuthentication": "triggerauthentications"}


def strict(schema: Any) -> Any:
    """Forbid what the schema does not name: a cluster would drop it without a word."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: strict(each) for key, each in schema.items()}
    if isinstance(out.get("properties"), dict) and "additionalProperties" not in out:
        out["additionalProperties"] = False
    return out


def check(document: Any) -> None:
    schema = strict(json.loads((SCHEMAS / f"{KINDS[document['kind']]}.json").read_text()))
    schema["properties"]["metadata"] = {"type": "object"}
    jsonschema.Draft7Validator(schema).validate(document)


@pytest.mark.parametrize(
    ("scaler", "broker"),
    [
        ("metrics-api", "redis://r.example/0"),
        ("prometheus", "redis://r.example/0"),
        ("redis", "rediss://r.example/0?ssl_cert_reqs=required"),
        ("rabbitmq", "amqp://q.example//"),
    ],
)
def test_every_object_is_what_keda_takes(tmp_path: Path, scaler: str, broker: str) -> None:
    (tmp_path / "celeriac.toml").write_text(
        f'[celeriac]\nbroker = "{broker}"\nstate = "postgresql://db.example/x"\n'
        "[queues.a]\n[queues.b]\n[pools.p]\nqueues = ['a', 'b']\nconcurrency = 2\nreplicas = { min = 1, max = 3 }\n"
        '[metrics]\nauth = "${METRICS_AUTH:-}"\n'
        f'[deploy]\nscaler = "{scaler}"\n'
        + ('prometheus = "http://p.example:9090"\n' if scaler == "prometheus" else "")
    )
    files = render(read_plan_as_written(tmp_path / "celeriac.toml"))
    reader = YAML(typ="safe", pure=True)
    reader.version = "1.1"  # as Kubernetes reads
    kinds = []
    for path, text in files.items():
        if path == "kustomization.yaml":
            continue
        for document in reader.load_all(text):
            check(document)
            kinds.append(document["kind"])
    assert "ScaledObject" in kinds
    assert ("TriggerAuthentication" in kinds) == (scaler != "prometheus")


def test_the_schemas_refuse_what_keda_does_not_know() -> None:
    document = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {},
        "spec": {
            "scaleTargetRef": {"name": "x"},
            "triggers": [{"type": "x", "metadata": {}}],
            "cooldownperiod": 1,
        },
    }
    with pytest.raises(jsonschema.ValidationError, match="cooldownperiod"):
        check(document)
