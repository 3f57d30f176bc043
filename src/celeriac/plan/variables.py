"""Variables: `${VAR}` and `${VAR:-default}` in the values of a plan, filled in from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from celeriac.plan.model import Variable
from celeriac.plan.places import HEAD
from celeriac.plan.report import PlanPath, Report, clipped

#: `$${` writes a plain `${`; a default runs to the next closing brace
# An unclosed one is matched to its end as well: searching on inside it would make long texts slow.
_REFERENCE = re.compile(
    r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*+)(?::-(?P<default>[^}]*+))?(?P<end>\})?)?"
)


#: keys that hold a secret, or an address with a password in it
_SECRET_KEYS = frozenset(
    ("broker", "results", "state", "coordination", "auth", "broker_api", "dsn", "keys", "signing_key")
)


class FromEnvironment(str):
    """Text that was filled in from variables; `reference` is what the plan wrote, fit for messages."""

    __slots__ = ("reference",)
    reference: str

    def __new__(cls, text: str, reference: str) -> FromEnvironment:
        filled = super().__new__(cls, text)
        filled.reference = clipped(reference)
        return filled


class Unresolved(FromEnvironment):
    """Text with a variable that is not set here."""

    __slots__ = ()


def fill_in(value: Any, environ: Mapping[str, str], path: PlanPath, report: Report | None) -> Any:
    """Give the value with the variables of every text in it filled in; keys stay as they are.

    A variable that is set but empty takes its default, as in a shell.
    report: told of unset variables and of `${` that is no reference; None: they are left as they stand.
    """
    if isinstance(value, str):
        return _filled_text(value, environ, path, report)
    if isinstance(value, list):
        return [fill_in(each, environ, (*path, at), report) for at, each in enumerate(value)]
    if isinstance(value, dict):
        return {key: fill_in(each, environ, (*path, key), report) for key, each in value.items()}
    return value


def variables_of(values: Mapping[str, Any]) -> tuple[Variable, ...]:
    """List the variables that the values of a plan refer to, each once, in the order of the plan."""
    found: dict[str, Variable] = {}

    def look(value: Any, path: PlanPath) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                look(each, (*path, key))
        elif isinstance(value, list):
            for each in value:
                look(each, path)
        elif isinstance(value, str):
            for reference in _REFERENCE.finditer(value):
                if reference["name"] and reference["end"]:
                    note(reference["name"], reference["default"], path, whole=reference[0] == value)

    def note(name: str, default: str | None, path: PlanPath, *, whole: bool) -> None:
        seen = found.get(name, Variable(name=name, default=default))
        found[name] = Variable(
            name=name,
            default=default if seen.default == default else None,
            required=seen.required or default is None,
            at=tuple(dict.fromkeys((*seen.at, _said(path)))),
            secret=seen.secret or bool(path and path[-1] in _SECRET_KEYS),
            whole=seen.whole and whole,
        )

    look(dict(values), ())
    return tuple(found.values())


def _said(path: PlanPath) -> str:
    table = ("celeriac",) if path[0] in HEAD else path[:-1]
    return f"[{'.'.join(map(str, table))}].{path[-1]}"


def _filled_text(text: str, environ: Mapping[str, str], path: PlanPath, report: Report | None) -> str:
    if "${" not in text:
        return text
    missing: list[str] = []
    malformed: list[int] = []

    def fill(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found["name"], found["default"]
        if name is None or found["end"] is None:
            malformed.append(found.start())
            return found[0]
        value = environ.get(name)
        if value or (value is not None and default is None):
            return value
        if default is None:
            missing.append(name)
            return found[0]
        return default

    filled = _REFERENCE.sub(fill, text)
    if report and malformed:
        report.add(
            path,
            "PLAN-008",
            f'"{clipped(text[malformed[0] :])}" is not a reference to a variable.',
            fix="write ${NAME} or ${NAME:-default}, or $${ for a plain ${",
        )
    elif report and missing:
        name = clipped(missing[0])
        report.add(
            path,
            "PLAN-007",
            f"the variable {name} is not set and has no default.",
            fix=f"set {name}, or write ${{{name}:-default}}",
        )
    return (Unresolved if missing or malformed else FromEnvironment)(filled, text)
