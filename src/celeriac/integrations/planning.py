"""Which plan a web framework's settings name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celeriac.errors import IntegrationError
from celeriac.plan import Plan, find_plan, read_plan
from celeriac.plan.mapping import read_mapping

#: the variable by which `celeriac` tells the processes it starts which plan they belong to
PLAN_VARIABLE = "CELERIAC_PLAN"


def configured_plan(path: object, values: object, folder: Path, *, at: str) -> Plan:
    """Give the plan of a web project.

    path: what its settings say under CELERIAC_PLAN: a plan file, a folder, a `Plan`, or None.
    values: what they say under CELERIAC: a plan as a mapping, or None.
    folder: the project's, from which relative paths are taken, and in and above which a plan file is looked for.
    at: how the settings are called, for messages.
    The variable CELERIAC_PLAN comes before all of these. With nothing at all, the defaults of an empty plan hold.
    Raises: PlanError with every problem; IntegrationError if two plans are named, or what is named is none.
    """
    told = os.environ.get(PLAN_VARIABLE)
    if told:
        return read_plan(told)
    if path is not None and values is not None:
        raise IntegrationError(
            "WEB-001",
            "CELERIAC_PLAN names a plan and CELERIAC holds another.",
            at=at,
            fix="keep one of them",
        )
    if isinstance(path, Plan):
        return path
    if isinstance(path, str | Path):
        return read_plan(folder / path)
    if path is not None:
        raise _no_plan("CELERIAC_PLAN", path, "the path of a celeriac.toml, or a celeriac.Plan", at)
    found = find_plan(folder)
    if values is None:
        return read_plan(found) if found else Plan(folder=folder)
    if not isinstance(values, Mapping):
        raise _no_plan(
            "CELERIAC", values, 'a dict with the keys of a plan, like {"queues": {"default": {}}}', at
        )
    if found:
        # `celeriac` would find that file, and run another plan than the site sends by.
        raise IntegrationError(
            "WEB-002",
            "CELERIAC holds a plan, and there is a plan file too.",
            at=str(found),
            fix="keep one of them",
        )
    return read_mapping(values, folder)


def _no_plan(setting: str, value: Any, wanted: str, at: str) -> IntegrationError:
    return IntegrationError(
        "WEB-003", f"{setting} is a {type(value).__name__}, which is no plan.", at=at, fix=f"give it {wanted}"
    )
