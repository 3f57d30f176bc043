"""Running the `celeriac` program from a web framework's own command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from celeriac.plan import Plan


def become_celeriac(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Go on as `celeriac …` in this very process, so that its signals and its exit code are the program's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "celeriac", *arguments]
    os.execve(sys.executable, command, dict(environ))  # noqa: S606 - no shell, our own program


def run_celeriac(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `celeriac …` to its end beside this process and give its exit code."""
    return subprocess.run(  # noqa: S603 - no shell, our own program
        [sys.executable, "-m", "celeriac", *arguments], env=dict(environ), check=False
    ).returncode


def environment(arguments: Sequence[str], plan: Plan, app_path: str, **more: str) -> dict[str, str]:
    """Give the environment in which `celeriac …`, and all it starts, works on this project.

    arguments: what `celeriac` is given; the framework reads the plan for itself, and must read the same one.
    app_path: where the project's Celery app is imported from, like "celeriac.integrations.django.celery:app".
    more: variables of the framework.
    """
    found = [each for each in sys.path[:1] if each and Path(each).is_dir()]
    inherited = os.environ.get("PYTHONPATH")
    told = {
        **os.environ,
        **more,
        "CELERIAC_APP": plan.app or app_path,
        # manage.py's own folder is on the path because Python ran it; `python -m celeriac` would not have it.
        "PYTHONPATH": os.pathsep.join([*found, *([inherited] if inherited else [])]),
    }
    if plan.source is not None:
        told["CELERIAC_PLAN"] = str(plan.source)
    for option, variable in (("--env", "CELERIAC_ENV"), ("--plan", "CELERIAC_PLAN")):
        said = _said(option, arguments)
        if said is not None:
            told[variable] = said
    return told


def _said(option: str, arguments: Sequence[str]) -> str | None:
    for at, each in enumerate(arguments):
        if each.startswith(f"{option}="):
            return each.partition("=")[2]
        if each == option and at + 1 < len(arguments):
            return arguments[at + 1]
    return None
