"""Reading a plan that stands in a Python mapping, as a framework's settings hold one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celeriac.plan.check import report_contradictions
from celeriac.plan.model import Plan
from celeriac.plan.places import PythonPlaces
from celeriac.plan.reading import OVERRIDES
from celeriac.plan.report import Report
from celeriac.plan.shape import Shape
from celeriac.plan.variables import FromEnvironment, fill_in


def read_mapping(values: Mapping[str, Any], folder: Path, environ: Mapping[str, str] | None = None) -> Plan:
    """Read and check a plan from its keys, laid out as in [tool.celeriac] of a pyproject.toml.

    values: like {"broker": "redis://…", "queues": {"default": {"max_wait": "30s"}}, "pools": {…}}.
    folder: relative sqlite paths are taken from here.
    environ: the variables, os.environ if None; CELERY_BROKER_URL and CELERY_RESULT_BACKEND win over the plan.
    Raises: PlanError with every problem.
    """
    variables = os.environ if environ is None else environ
    report = Report(PythonPlaces())
    overrides = {key: name for key, name in OVERRIDES.items() if variables.get(name)}
    written = _as_in_toml(values)
    filled = fill_in({key: written[key] for key in written if key not in overrides}, variables, (), report)
    filled.update({key: FromEnvironment(variables[name], f"${{{name}}}") for key, name in overrides.items()})
    plan = Plan(**Shape(report).plan(filled), folder=folder)
    report_contradictions(plan, report)
    report.raise_errors()
    return plan


def _as_in_toml(value: Any) -> Any:
    """Make tables and lists of whatever Python has for them; anything else is for the shape to judge."""
    if isinstance(value, Mapping):
        return {str(key): _as_in_toml(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_in_toml(each) for each in value]
    return str(value) if isinstance(value, Path) else value
