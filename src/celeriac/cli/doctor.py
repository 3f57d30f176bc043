"""`celeriac doctor`: what is wrong with the system of the plan, and how to mend it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, print_json, print_table, say_broker
from celeriac.errors import AppError, CeleriacError

if TYPE_CHECKING:
    from types import FrameType

    from celery import Celery

    from celeriac.doctor import Examination

#: how long the project's own code may take to be imported
IMPORTS_WITHIN_S = 30.0


def _rules(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from celeriac.doctor.rules import RULES

    return [CompletionItem(rule.name) for rule in RULES if rule.name.startswith(incomplete)]


@click.command()
@click.argument("rules", nargs=-1, metavar="[RULE]…", shell_complete=_rules)
@json_option
@pass_project
def command(project: Project, rules: Sequence[str], as_json: bool) -> int:
    """Say what is wrong with the system, where, how that is known, and how to mend it.

    It looks at the plan, the app, the broker, the stores and this host, whether anything runs or not, changes
    nothing, and waits for no look longer than eight seconds. A RULE is named by its code or its name, like
    queue-unread; without one, all are judged. docs/reference/doctor.md tells each.

    Exit code 1 if there is trouble; advice alone is 0.
    """
    from celeriac.doctor import chosen, examine

    wanted = chosen(rules)
    problems = _problems(project)
    broken = [it for it in problems if isinstance(it, AppError)]

    def load() -> Celery:
        if broken:
            raise broken[0]
        return project.app(with_tasks=True)

    plan = project.look_for_broker()
    found = examine(plan, load, problems, wanted)
    if as_json:
        print_json({"ok": found.is_well, **_plain(found)})
    else:
        if len(wanted) > 1:
            click.echo(f"plan {plan.name}, broker {say_broker(plan)}")
        show(found)
    return 0 if found.is_well else 1


def _problems(project: Project) -> list[CeleriacError]:
    """Gather what is wrong with plan and app. Raises: PlanError if there is no plan to look by."""
    from celeriac.cli.check import find_problems
    from celeriac.plan import check

    plan = project.declared
    try:
        with _within(IMPORTS_WITHIN_S):
            return find_problems(project, no_app=False)
    except _Overdue as overdue:
        at = f"{overdue.file}:{overdue.line}"
        slow = AppError(
            "APP-015",
            f"importing the app was given up after {IMPORTS_WITHIN_S:g}s",
            at=at,
            fix="see what the code there waits for; it must not do so when it is imported",
        )
        return [slow, *check(plan)]


def show(found: Examination) -> None:
    """Print what was found as a table, and below it each figure and fix."""
    if found.findings:
        print_table(
            ["", "rule", "where", "what is wrong"],
            [(it.level, f"{it.code} {it.rule}", it.at, it.message) for it in found.findings],
        )
        for it in found.findings:
            click.echo(f"\n{it.code} {it.at}")
            if it.facts:
                told = ", ".join(
                    f"{name} {'-' if value is None else value}" for name, value in it.facts.items()
                )
                click.echo(f"  seen: {told}")
            click.echo(f"  fix: {it.fix}")
        click.echo()
    for why, rules in _by_reason(found).items():
        click.secho(f"not judged: {', '.join(rules)}: {why}", fg="yellow")
    troubles = sum(it.level == "trouble" for it in found.findings)
    advice = len(found.findings) - troubles
    said = f"{troubles or 'no'} {'trouble' if troubles == 1 else 'troubles'}" + (
        f", {advice} to know" if advice else ""
    )
    click.echo(f"{said} ({found.judged} rules judged in {found.took_s:.1f}s)")


def _by_reason(found: Examination) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for it in found.unjudged:
        reasons.setdefault(it.why, []).append(it.rule)
    return reasons


def _plain(found: Examination) -> dict[str, object]:
    return {
        "findings": found.findings,
        "unjudged": found.unjudged,
        "judged": found.judged,
        "took_s": found.took_s,
    }


class _Overdue(BaseException):
    """The import has taken too long; no code of the project's may take this for an error of its own."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(file, line)
        self.file = file
        self.line = line


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Break off what takes longer; only the main thread can be, and another one is not bounded."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, frame: FrameType | None) -> None:
        code = frame.f_code.co_filename if frame else "?"
        raise _Overdue(code, frame.f_lineno if frame else 0)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
