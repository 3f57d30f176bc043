"""Tasks: failing more than they may, set aside as letters, or sent by somebody who should not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from celeriac.deploy.prometheus.rules import MINUTE, Alert, Group, Proof, Recording, Severity, any_of, series
from celeriac.deploy.prometheus.selecting import Selector
from celeriac.observe.metrics import names
from celeriac.plan import Plan

FAILURES = "celeriac:task_failures:rate10m"
COMPLETIONS = "celeriac:task_completions:rate10m"
ENDS = "celeriac:task_ends:rate10m"
RATIO = "celeriac:task_failures:ratio_rate10m"
SUCCESS = "celeriac:tasks_success:ratio_rate10m"

#: failures within ten minutes; fewer are too few to speak of a share
FEWEST = 3


def group(plan: Plan) -> Group:
    """Give the rules of how tasks end."""
    of = Selector(f'="{plan.name}"')
    every = "by (job, task)"
    failed, succeeded = of.recorded(FAILURES), of.recorded(COMPLETIONS)
    return Group(
        name="tasks",
        recordings=(
            Recording(FAILURES, f"sum {every} (rate({of(names.FAILURES)}[10m]))"),
            Recording(COMPLETIONS, f"sum {every} (rate({of(names.COMPLETIONS)}[10m]))"),
            # A task that never failed, or never succeeded, has only one of the two series.
            Recording(ENDS, f"{failed} + {succeeded}\nor {failed}\nor {succeeded}"),
            Recording(RATIO, f"{failed} / ({of.recorded(ENDS)} > 0)"),
            Recording(
                SUCCESS,
                f"1 - (sum by (job) ({failed}) or 0 * sum by (job) ({of.recorded(ENDS)}))\n"
                f"/ (sum by (job) ({of.recorded(ENDS)}) > 0)",
            ),
        ),
        alerts=tuple(_alerts(plan, of)),
    )


def _alerts(plan: Plan, of: Selector) -> Iterator[Alert]:
    yield _failing(plan, of)
    yield _letters(plan, of)
    yield _set_aside(
        plan,
        of,
        name="TaskKillsWorkers",
        reasons=("poison",),
        severity="critical",
        summary="A task of " + plan.name + " kills the process it runs in",
        description="It was set aside after it had ended its worker's process several times.",
    )
    yield _set_aside(
        plan,
        of,
        name="MessagesRefused",
        reasons=("malformed", "unknown-task", "forged", "forbidden", "unreadable"),
        severity="warning",
        summary="Somebody sends " + plan.name + " messages that are no tasks of it",
        description="Messages were set aside as {{ $labels.reason }}: an old or a wrong program sends them, or "
        "somebody tries what the workers take.",
    )


def _failing(plan: Plan, of: Selector) -> Alert:
    allowed = plan.alerts.failures
    failed, done = (
        series(plan, "celeriac_task_failures_total", task="t"),
        series(plan, "celeriac_task_completions_total", task="t"),
    )
    return Alert(
        name="TasksFail",
        expr=f"{of.recorded(RATIO)} > {allowed / 100:g}\nand on (job, task) {of.recorded(FAILURES)} * 600 >= {FEWEST}",
        why=f"[alerts].failures {allowed}",
        wait=5 * MINUTE,
        severity="warning",
        summary="{{ $labels.task }} fails",
        description="{{ $value | humanizePercentage }} of what ended within ten minutes failed for good; the plan of "
        + f"{plan.name} allows {allowed}%.",
        proofs=(
            Proof(
                fires={failed: f"0+{allowed + 1}x40", done: f"0+{99 - allowed}x40"}
                if allowed < 100
                else {failed: "0+1x40"},
                quiet={failed: f"0+{allowed}x40", done: f"0+{100 - allowed + 1}x40"},
                labels={"task": "t"},
            ),
            # One failure is a whole hundred of one, and no reason to wake anybody.
            Proof(
                fires={failed: "0+1x40"},
                quiet={failed: "0x25 1x15"},
                labels={"task": "t"},
            ),
        )
        if allowed < 100
        else (),
    )


def _letters(plan: Plan, of: Selector) -> Alert:
    allowed = plan.alerts.letters
    return Alert(
        name="LettersWait",
        expr=f"max by (job, queue) ({of(names.LETTERS)}) > {allowed}",
        why=f"[alerts].letters {allowed}",
        wait=timedelta(minutes=15),
        severity="warning",
        summary="Dead letters of the queue {{ $labels.queue }} wait for a decision",
        description="{{ $value }} tasks of "
        + plan.name
        + " failed for good and wait to be replayed or discarded.",
        proofs=(
            Proof(
                fires={series(plan, names.LETTERS.name, queue="q"): f"{allowed + 1}x40"},
                quiet={
                    series(plan, names.LETTERS.name, queue="q"): f"{allowed}x40",
                    series(plan, names.LETTERS.name, host="b", queue="q"): f"{allowed}x40",
                },
                labels={"queue": "q"},
            ),
        ),
    )


def _set_aside(
    plan: Plan,
    of: Selector,
    *,
    name: str,
    reasons: tuple[str, ...],
    severity: Severity,
    summary: str,
    description: str,
) -> Alert:
    written = of(names.LETTERS_WRITTEN, f'reason=~"{any_of(reasons)}"')
    counted, before = (f"sum by (job, reason) ({each})" for each in (written, f"{written} offset 15m"))
    # The first of its kind begins a series, which for rate() and increase() is no increase.
    watched = f"max by (job) ({of.up} offset 15m) == 1"
    letters = series(plan, "celeriac_letters_written_total", reason=reasons[0])
    up = {series(plan, "up"): "1x40"}
    return Alert(
        name=name,
        expr=f"{counted} - {before} > 0\nor ({counted} unless {before})\nand on (job) {watched}",
        wait=timedelta(0),
        severity=severity,
        summary=summary,
        description=description,
        proofs=(
            Proof(
                fires={**up, letters: "_x25 1x15"},
                quiet={**up, letters: "1x40"},
                labels={"reason": reasons[0]},
            ),
            # What was counted long before anybody watched is no news.
            Proof(
                fires={**up, letters: "5x20 6x20"},
                quiet={series(plan, "up"): "_x25 1x15", letters: "_x25 1x15"},
                labels={"reason": reasons[0]},
            ),
        ),
    )
