"""The JSON Schema of a chart's values, so that Helm refuses what would not work before anything is installed."""

from __future__ import annotations

import re
from typing import Any

from celeriac.deploy.helm.values import KINDS
from celeriac.deploy.yaml import plain
from celeriac.plan import Plan, json_schema

#: what Helm's own reader knows
_DIALECT = "http://json-schema.org/draft-07/schema#"
_NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"}
_LABEL = {"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"}
_CPU = {"type": ["string", "number"], "pattern": r"^([0-9]+m|[0-9]+(\.[0-9]+)?)$"}
_MEMORY = {"type": "string", "pattern": "^[0-9]+(Ki|Mi|Gi|Ti|k|M|G|T)?$"}
#: any name or image; blanks, quotes and the like are mistakes
_IMAGE = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$"}


def schema(plan: Plan, values: list[dict[str, Any]], environments: tuple[str, ...]) -> dict[str, Any]:
    """Give the schema of a chart's values; bounds and choices are those of the plan's own types.

    values: of the plan, and of the plan with each environment. environments: names that can be laid over it.
    """
    given = [plain(each) for each in values]
    # An environment may have shorter tasks.
    graces: dict[str, list[int]] = {}
    for each in given:
        for name, pool in each["pools"].items():
            graces.setdefault(name, []).append(pool["terminationGracePeriodSeconds"])
    of_pool = json_schema()["properties"]["pools"]["additionalProperties"]["properties"]
    pools = {name: _pool(of_pool, min(spans)) for name, spans in graces.items()}
    services = {
        name: _object(
            {
                "enabled": {"type": "boolean"},
                "replicas": {"type": "integer", "minimum": 1},
                "health": {"type": "string", "pattern": "^/"},
            }
        )
        for name in given[0]["services"]
    }
    variable = _object(
        {
            "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
            "optional": {"type": "boolean"},
        },
        required=True,
    )
    return {
        "$schema": _DIALECT,
        "title": f"Values of {plan.name}",
        **_object(
            {
                "image": _IMAGE,
                "secret": _NAME,
                "environment": {"enum": ["", *environments]},
                "variables": {"type": "array", "items": variable},
                "pools": _object(pools),
                "services": _object(services),
                "keda": _object({"enabled": {"type": "boolean"}}),
                "kinds": _object({kind: _kind() for kind in KINDS}),
                "global": {"type": "object"},
            }
        ),
        "required": ["image", "secret", "pools"],
    }


def _pool(of_plan: dict[str, Any], grace: int) -> dict[str, Any]:
    return _object(
        {
            "name": _NAME,
            "component": _LABEL,
            "profile": _without_variables(of_plan["profile"]),
            "replicas": _without_variables(of_plan["replicas"]),
            "terminationGracePeriodSeconds": {
                "description": "at least twice the longest task, or a busy worker is killed",
                "type": "integer",
                "minimum": grace,
            },
            "resources": _resources(),
        },
        required=True,
    )


def _kind() -> dict[str, Any]:
    return _object(
        {
            "nodeSelector": {"type": "object", "additionalProperties": {"type": "string"}},
            "tolerations": {"type": "array", "items": {"type": "object"}},
            "affinity": {"type": "object"},
            "priorityClassName": {"type": "string"},
            "resources": _resources(),
        }
    )


def _resources() -> dict[str, Any]:
    amounts = _object({"cpu": _CPU, "memory": _MEMORY})
    return _object({"requests": amounts, "limits": amounts})


def _object(properties: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    made = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**made, "required": list(properties)} if required else made


def _without_variables(schema: Any) -> Any:
    """Leave out that a text may name a variable: of Helm's values nothing is filled in."""
    if isinstance(schema, list):
        return [_without_variables(each) for each in schema if not _is_reference(each)]
    if not isinstance(schema, dict):
        return schema
    left = {key: _without_variables(each) for key, each in schema.items() if key != "default"}
    choices = left.get("anyOf")
    if isinstance(choices, list) and len(choices) == 1:
        return {**{key: each for key, each in left.items() if key != "anyOf"}, **choices[0]}
    return left


def _is_reference(schema: Any) -> bool:
    pattern = schema.get("pattern", "") if isinstance(schema, dict) else ""
    return bool(re.match(re.escape(r"\$\{"), pattern))
