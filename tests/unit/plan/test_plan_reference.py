"""The reference page and the JSON Schema say what the reader does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from celeriac.plan import json_schema, read_plan
from celeriac.plan.reference import PAGE, page
from celeriac.plan.reference_prose import EXAMPLE

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_page_is_current():
    assert (ROOT / PAGE).read_text() == page(), f"run: python -m celeriac.plan.reference {PAGE}"


def test_the_page_is_written_by_a_command(tmp_path):
    target = tmp_path / "plan.md"
    subprocess.run([sys.executable, "-m", "celeriac.plan.reference", str(target)], check=True)
    assert target.read_text() == page()


def test_the_examples_of_the_page_work(tmp_path):
    (tmp_path / "celeriac.toml").write_text(EXAMPLE)
    assert read_plan(tmp_path, env="staging", environ={}).pools["batch"].autoscale.max == 1
    [code] = re.findall(r"```python\n(.*?)```", page(), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert scope["problems"] == []


def faults(schema: dict[str, Any], value: Any, at: str = "") -> list[str]:
    """Judge a value by the part of JSON Schema that our schema uses."""
    unknown = schema.keys() - {
        *(
            "$schema",
            "title",
            "description",
            "default",
            "type",
            "properties",
            "additionalProperties",
            "required",
        ),
        *("anyOf", "enum", "const", "pattern", "minimum", "maximum", "items"),
    }
    assert not unknown
    if "anyOf" in schema and all(faults(each, value) for each in schema["anyOf"]):
        return [f"{at}: no alternative fits {value!r}"]
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    expected = types.get(schema.get("type", ""))
    if expected and (not isinstance(value, expected) or (expected is int and isinstance(value, bool))):
        return [f"{at}: not {schema['type']}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: not in {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: not {schema['const']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at}: does not match")
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{at}: out of range")
    if isinstance(value, list):
        found += [fault for each in value for fault in faults(schema.get("items", {}), each, at)]
    if isinstance(value, dict):
        found += [f"{at}: lacks {key}" for key in schema.get("required", ()) if key not in value]
        for key, each in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            found += [f"{at}.{key}: unknown"] if inner is False else faults(inner, each, f"{at}.{key}")
    return found


def test_the_schema_is_plain_json_and_accepts_the_example():
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert faults(schema, tomllib.loads(EXAMPLE)) == []


@pytest.mark.parametrize(
    "line",
    [
        "colour = 1",
        "[celeriac]\nnme = 'x'",
        "[queues.a]\nmax_wait = '30'",
        "[queues.a]\nmax_wait = 30",
        "[queues.a]\nmax_length = 0",
        "[queues.a]\nwhen_full = 'drop'",
        "[pools.a]",
        "[pools.a]\nqueues = 'a'",
        "[pools.a]\nqueues = [1]",
        "[pools.a]\nqueues = []\nautoscale = { min = 1 }",
        "[pools.a]\nqueues = []\nmax_memory_per_child = '5MB'",
        "[tasks.a]\nretry = { limit = 'forever' }",
        "[tasks.a]\nretry = { jitter = 'yes' }",
        "[letters]\nkeep = 'always'",
        "[environments.a.pools.b]\nreplica = 1",
        "[environments.a.environments.b]",
    ],
)
def test_what_the_reader_refuses_the_schema_refuses_too(tmp_path, line):
    from celeriac.errors import PlanError

    assert faults(json_schema(), tomllib.loads(line))
    (tmp_path / "celeriac.toml").write_text(line)
    with pytest.raises(PlanError):
        read_plan(tmp_path, environ={})


@pytest.mark.parametrize(
    "line",
    [
        "[tasks.a]\nretry = { limit = 'unlimited', jitter = '${JITTER:-true}' }",
        "[letters]\nafter = '${AFTER:-4}'\nkeep = '${KEEP:-forever}'",
        "[queues.a]\nmax_wait = '${WAIT:-30s}'\nwhen_full = '${FULL:-block}'",
        "[schedules.a]\ntask = 't'\nevery = '1.5h'\nargs = [1, 'a', [], {}]\nkwargs = { x = 1979-05-27 }",
        "[queues.a]\n[pools.p]\nqueues = ['a']\n[environments.x.pools.p]\nreplicas = 0",
    ],
)
def test_what_the_reader_takes_the_schema_takes_too(tmp_path, line):
    assert faults(json_schema(), tomllib.loads(line)) == []
    (tmp_path / "celeriac.toml").write_text(line)
    read_plan(tmp_path, environ={})
