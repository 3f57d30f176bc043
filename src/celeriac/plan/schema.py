"""The JSON Schema of a celeriac.toml, for completion and checking in editors.

It is made from the types, so it knows what the reader knows of keys, types and ranges; contradictions between them
are for `celeriac check`. Any text may instead be a reference to a variable, `${NAME}`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from celeriac.plan.docs import docs_of
from celeriac.plan.kinds import Field, Kind, fields_of
from celeriac.plan.model import Plan
from celeriac.plan.places import HEAD
from celeriac.units import say_duration, say_size

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"
_DURATION = r"^[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d)$"
_SIZE = r"^[0-9]{1,9}(\.[0-9]{1,6})?(B|KiB|MiB|GiB|TiB)$"


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of a celeriac.toml, as plain lists and dicts.

    In a pyproject.toml the same stands in [tool.celeriac], with the keys of [celeriac] directly in it.
    """
    whole = _properties(Plan, required=False)
    sections = {name: each for name, each in whole["properties"].items() if name not in HEAD}
    head = {name: each for name, each in whole["properties"].items() if name in HEAD}
    top = {
        "celeriac": _object({"description": "What the plan is called and where it works."}, head),
        **sections,
    }
    # What an environment lays over is joined with the rest, so nothing is required in it.
    laid_over = _without_required(_object({}, top))
    environments = {
        "description": "Laid over the plan by CELERIAC_ENV or --env.",
        "type": "object",
        "additionalProperties": laid_over,
    }
    described = {"$schema": _DIALECT, "title": "A Celeriac plan", "description": docs_of(Plan).promise}
    return _object(described, {**top, "environments": environments})


def _properties(struct: type[msgspec.Struct], *, required: bool = True) -> dict[str, Any]:
    docs = docs_of(struct)
    properties = {}
    for name, field in fields_of(struct).items():
        properties[name] = {**_described(docs.fields.get(name), field), **_kind(field.kind)}
    schema = _object({"description": docs.promise}, properties)
    needed = [name for name, field in fields_of(struct).items() if field.required]
    return {**schema, "required": needed} if required and needed else schema


def _object(described: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {**described, "type": "object", "properties": properties, "additionalProperties": False}


def _described(text: str | None, field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {"description": text} if text else {}
    default = written(field.kind, field.default)
    if not field.required and default not in (None, "", [], {}):
        described["default"] = default
    return described


def written(kind: Kind, value: Any) -> Any:
    """Give a default as a plan file would write it; None where there is no way to write it."""
    if value is None:
        return kind.none_word
    if kind.base == "duration":
        return say_duration(value)
    if kind.base == "size":
        return say_size(value)
    if kind.base == "list":
        return list(value)
    return None if kind.base == "table" else value


def _kind(kind: Kind) -> dict[str, Any]:
    match kind.base:
        case "text":
            schema: dict[str, Any] = {"type": "string"}
            if kind.form is not None:
                schema = _or_text({**schema, "pattern": kind.form.pattern}, kind)
            if kind.several:
                schema = {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]}
        case "number":
            bounds = {"minimum": kind.low, "maximum": kind.high}
            schema = {
                "type": "integer",
                **{key: int(each) for key, each in bounds.items() if each is not None},
            }
            schema = _or_text(schema, kind)
            if kind.struct is not None:
                schema["anyOf"].append(_properties(kind.struct))
        case "truth":
            schema = _or_text({"type": "boolean"}, kind)
        case "duration" | "size":
            schema = _or_text(
                {"type": "string", "pattern": _DURATION if kind.base == "duration" else _SIZE}, kind
            )
        case "choice":
            schema = _or_text({"enum": list(kind.choices)}, kind)
        case "list":
            schema = {"type": "array", "items": _kind(kind.item or Kind(base="any"))}
        case "map":
            schema = {"type": "object", "additionalProperties": _kind(kind.item or Kind(base="any"))}
        case "table" if kind.struct is not None:
            schema = _properties(kind.struct)
        case _:
            schema = {}
    return schema


def _or_text(schema: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Allow a reference to a variable, and the word that writes None."""
    others: list[dict[str, Any]] = [{"type": "string", "pattern": _VARIABLE}]
    if kind.none_word:
        others.insert(0, {"const": kind.none_word})
    return {"anyOf": [schema, *others]}


def _without_required(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_required(each) for key, each in schema.items() if key != "required"}
    return schema
