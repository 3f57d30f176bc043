"""Reading a plan: the file, its environment and the variables made into one typed, checked `Plan`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celeriac.errors import PlanError
from celeriac.plan.check import report_contradictions
from celeriac.plan.document import Document, open_document
from celeriac.plan.model import Plan, Variable
from celeriac.plan.places import absolute, shown
from celeriac.plan.report import Report, clipped, write_or
from celeriac.plan.shape import Shape
from celeriac.plan.variables import FromEnvironment, fill_in, variables_of

FILE_NAMES = ("celeriac.toml", "pyproject.toml")

#: key of the plan -> variable of the environment that wins over it
OVERRIDES = {
    "broker": "CELERY_BROKER_URL",
    "results": "CELERY_RESULT_BACKEND",
    "state": "CELERIAC_STATE",
    "coordination": "CELERIAC_COORDINATION",
}
_PYPROJECT_TABLE = re.compile(
    rb"^[ \t]*\[+[ \t]*tool[ \t]*\.[ \t]*[\"']?celeriac[\"']?[ \t]*[.\]]", re.MULTILINE
)


def find_plan(start: str | Path | None = None) -> Path | None:
    """Find the nearest plan file: in `start` (the working folder if None), else in the folders above it.

    A celeriac.toml comes before a pyproject.toml, which counts only with a table [tool.celeriac].
    """
    folder = absolute(start or ".")
    for each in (folder, *folder.parents):
        for name in FILE_NAMES:
            if _holds_plan(each / name):
                return each / name
    return None


def read_plan(
    path: str | Path | None = None, env: str | None = None, environ: Mapping[str, str] | None = None
) -> Plan:
    """Read and check a plan.

    path: a celeriac.toml, a pyproject.toml, or a folder to look in and above; None: the working folder.
    env: the environment to lay over it; None: what CELERIAC_ENV says, if anything.
    environ: the variables, os.environ if None; those of OVERRIDES win over the plan.
    Raises: PlanError with every problem of the file.
    """
    variables = os.environ if environ is None else environ
    document, outline = open_document(_file(path))
    environment = env or variables.get("CELERIAC_ENV") or None
    overrides = {key: name for key, name in OVERRIDES.items() if variables.get(name)}
    report = Report(document.places(environment))
    report.take(outline)
    written = _laid_over(document, environment, report)
    values = fill_in({key: written[key] for key in written if key not in overrides}, variables, (), report)
    values.update({key: FromEnvironment(variables[name], f"${{{name}}}") for key, name in overrides.items()})
    fields = Shape(report).plan(values)
    folder = document.source.parent
    plan = Plan(
        **fields,
        variables=variables_of(written),
        folder=folder,
        source=document.source,
        environments=tuple(document.environments),
        environment=environment,
    )
    report_contradictions(plan, report)
    _judge_other_environments(document, environment, variables, report)
    report.raise_errors()
    return plan


def plan_variables(path: str | Path | None = None, env: str | None = None) -> tuple[Variable, ...]:
    """List the variables a plan reads, without reading any; what is wrong with the plan is for `read_plan` to say.

    Raises: PlanError if the file cannot be read or parsed.
    """
    document, _ = open_document(_file(path))
    return variables_of(_laid_over(document, env, Report(document.places(env))))


def _file(path: str | Path | None) -> Path:
    if path is not None and not _is_folder(Path(path)):
        return absolute(path)
    found = find_plan(path)
    if found is None:
        raise PlanError(
            "PLAN-009",
            "there is no plan here or in any folder above.",
            at=shown(absolute(path or ".")),
            known=FILE_NAMES,
            fix="write a celeriac.toml, or name one with --plan",
        )
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _holds_plan(file: Path) -> bool:
    try:
        if not file.is_file():
            return False
        return file.name == "celeriac.toml" or _PYPROJECT_TABLE.search(file.read_bytes()) is not None
    except OSError:
        return False


def _laid_over(document: Document, environment: str | None, report: Report) -> dict[str, Any]:
    if environment is None:
        return document.values
    overlay = document.environments.get(environment)
    if overlay is None:
        name = clipped(environment)
        report.add(
            ("environments", environment),
            "PLAN-016",
            f'the plan has no environment "{name}".',
            known=document.environments,
            fix=write_or(environment, document.environments, f"add [environments.{name}]"),
        )
        return document.values
    return _merged(document.values, overlay)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay tables over tables, key by key; anything else replaces what was there, lists included."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _judge_other_environments(
    document: Document, chosen: str | None, environ: Mapping[str, str], report: Report
) -> None:
    """Report the slips in environments that are not laid over now, before the day they are."""
    for name, overlay in document.environments.items():
        if name != chosen:
            part = Report(document.places(name))
            Shape(part, partial=True).plan(fill_in(overlay, environ, (), None))
            report.take(part)
