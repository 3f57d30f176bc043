"""`celeriac probe`: one line that says whether a worker of this host lives, and exit code 0 or 1.

It reads heartbeat files alone: no plan, no app, no Celery, no broker.
"""

from __future__ import annotations

import os
import sys

from celeriac_probe import pulse

WORKERS = os.path.join(".celeriac", "workers")
HEALTHY, UNHEALTHY, USAGE = 0, 1, 2

HELP = """\
Usage: celeriac probe [OPTIONS]

  Say whether the workers of this host live: one line, and exit code 0 if so,
  1 if not, 2 if the command line is wrong.

  Reads the heartbeat files in .celeriac/workers/ and nothing else: no plan, no
  app, no broker, so that it answers within milliseconds.

Options:
  --worker NAME      Only this worker: web-1, or web-1@host.
  --here             Only workers of this host or container, where several share
                     the project's folder.
  --ready            Healthy only if it takes tasks: not while it starts, looks
                     for its broker, or stops.
  --stale SECONDS    A loop that has not turned for this long hangs.  [default: 10]
  --folder PATH      The project's folder; else the nearest with a .celeriac/
                     here or above.
  -h, --help         Show this message and exit.
"""


class Unreadable(Exception):
    """The command line cannot be read."""


def run(arguments: list[str]) -> int:
    """Answer one command line (without "probe") on standard output, and give the exit code."""
    try:
        options = _options(arguments)
        stale_s = float(options.get("--stale", pulse.STALE_S))
    except (Unreadable, ValueError) as error:
        sys.stderr.write(f"celeriac probe: {error}\n  fix: see celeriac probe --help\n")
        return USAGE
    if "--help" in options:
        sys.stdout.write(HELP)
        return HEALTHY
    folder = options.get("--folder") or nearest_project()
    host = os.uname().nodename if "--here" in options else None
    code, line = judge(folder, options.get("--worker"), stale_s, ready="--ready" in options, host=host)
    sys.stdout.write(line + "\n")
    return code


def judge(
    folder: str, worker: str | None, stale_s: float, *, ready: bool = False, host: str | None = None
) -> tuple[int, str]:
    """Look at the workers of a project, or at one.

    folder: the project's, which holds `.celeriac/`.
    host: only workers of this host.
    ready: a worker that takes no tasks now is unhealthy, though it may live.
    Returns: exit code and the line that says why.
    """
    workers = os.path.join(folder, WORKERS)
    found = pulse.read_all(workers)
    if worker is not None:
        found = [each for each in found if worker in (each.name, each.name.partition("@")[0])]
    if host is not None:
        found = [each for each in found if each.name.endswith("@" + host)]
    if not found:
        who = (
            f"worker {worker} has no"
            if worker
            else f"no worker of {host} has a"
            if host
            else "no worker has a"
        )
        return UNHEALTHY, f"unhealthy: {who} heartbeat file in {workers}"
    troubles = [(each.name, pulse.trouble(each, stale_s) or (ready and _not_ready(each))) for each in found]
    wrong = [f"{name} is {trouble}" for name, trouble in troubles if trouble]
    if wrong:
        return UNHEALTHY, "unhealthy: " + "; ".join(wrong)
    if len(found) == 1:
        return HEALTHY, f"healthy: {found[0].name}, {pulse.says(found[0])}"
    slots, busy = sum(each.slots for each in found), sum(each.busy for each in found)
    return HEALTHY, f"healthy: {len(found)} workers, {busy} of {slots} slots busy"


def _not_ready(worker: pulse.Pulse) -> str:
    return "" if worker.phase == pulse.RUNNING else f"not ready: {pulse.says(worker)}"


def nearest_project() -> str:
    """Give the nearest folder here or above that holds a `.celeriac/`; else the working folder."""
    here = folder = os.getcwd()
    while not os.path.isdir(os.path.join(folder, ".celeriac")):
        above = os.path.dirname(folder)
        if above == folder:
            return here
        folder = above
    return folder


def _options(arguments: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument in ("-h", "--help"):
            options["--help"] = ""
        elif argument in ("--ready", "--here"):
            options[argument] = ""
        elif name in ("--worker", "--stale", "--folder"):
            given = value if equals else next(rest, None)
            if given is None:
                raise Unreadable(f"{name} needs a value")
            options[name] = given
        else:
            raise Unreadable(f'there is no option "{argument}"')
    return options
