"""Which of a plan's brokers is used: chosen once at start, by really connecting, and never switched after that."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from celery import signals

from celeriac.app import choice as choices
from celeriac.app.choice import Choice, new_choice
from celeriac.app.reaching import trouble_with
from celeriac.errors import AppError, redacted
from celeriac.events import emit
from celeriac.plan import Plan

#: names, without its password, the broker that a process has to use; `up` sets it for its children
VARIABLE = "CELERIAC_BROKER"
#: how often a process that sends looks whether the others still use the same broker
_LOOK_EVERY_S = 5.0

#: once a process has chosen, it stays with it
_made: dict[tuple[Path, tuple[str, ...]], Choice] = {}


def choose(plan: Plan, *, hold: bool = False, environ: Mapping[str, str] | None = None) -> Plan:
    """Give the plan with the broker to use; one with a single broker as it is.

    What CELERIAC_BROKER names comes first, then what the running processes of the project use, then the first that can
    be connected to. Which it is and why is said, loudly if it is not the first.
    hold: this process works on the choice, so others must follow it for as long as it lives.
    Raises: AppError if none can be reached, or if another is in use than the plan names.
    """
    if not plan.brokers or plan.because is not None:
        return plan
    key = (plan.state_folder.absolute(), plan.brokers)
    if key not in _made:
        told = (os.environ if environ is None else environ).get(VARIABLE)
        if hold:
            _made[key] = _held(plan, key[0], told)
        elif told:
            _made[key] = _told(told)
        else:
            _made[key] = choices.in_force(key[0]) or _first_reached(plan, None)
            _look_out(plan, _made[key])
    made = _made[key]
    broker = made.among(plan.brokers)
    if broker is None:
        _made.pop(key)
        raise AppError(
            "APP-031",
            f'"{made.broker}" is in use ({made.because}), which the plan does not name.',
            at=str(plan.source) if plan.source else None,
            known=[redacted(url) for url in plan.brokers],
            fix="stop what still runs on the old plan, or name that broker in it again",
        )
    return plan.on(broker, made.because)


def _told(broker: str) -> Choice:
    return new_choice(broker, f"{VARIABLE} says so")


def _held(plan: Plan, folder: Path, told: str | None) -> Choice:
    try:
        held = choices.hold(
            folder, lambda: _told(told) if told else _first_reached(plan, choices.last(folder))
        )
    except OSError as error:
        raise AppError(
            "APP-032",
            f"the broker in use cannot be written down in {folder}: {error.strerror}",
            fix="make the folder writable, so that other processes find the same broker",
        ) from error
    if told and held.broker != redacted(told):
        raise AppError(
            "APP-034",
            f'{VARIABLE} names "{told}", but "{held.broker}" is in use, chosen by process {held.pid}.',
            at="the environment",
            fix="stop what runs in this project first, or unset the variable",
        )
    return held


def choose_or_first(plan: Plan) -> Plan:
    """Give the plan with the broker to use; the first one if none can be reached, so that sending fails on that."""
    try:
        return choose(plan)
    except AppError as error:
        emit("app", "broker.none", error=error.message, broker=redacted(plan.broker))
        return plan


def _first_reached(plan: Plan, before: Choice | None) -> Choice:
    """Connect to one broker after the other.

    before: what was chosen the last time, if anything.
    """
    refused: list[str] = []
    for number, url in enumerate(plan.brokers, start=1):
        trouble = trouble_with(url, plan.folder, options=plan.celery.get("broker_transport_options"))
        if trouble is None:
            place = f"{number} of {len(plan.brokers)}"
            because = f"{place}; {'; '.join(refused)}" if refused else f"{place}, it answers"
            made = new_choice(url, because)
            emit(
                "app", "broker.fell_back" if refused else "broker.chosen", broker=made.broker, because=because
            )
            if before is not None and before.broker != made.broker:
                emit("app", "broker.changed", broker=made.broker, before=before.broker)
            return made
        refused.append(f"{redacted(url)} cannot be reached: {trouble}")
    raise AppError(
        "APP-030",
        f"none of the {len(plan.brokers)} brokers can be used: {'; '.join(refused)}.",
        at=str(plan.source) if plan.source else None,
        known=[redacted(url) for url in plan.brokers],
        fix="start one of them, or add one that needs no server: sqlite:///.celeriac/broker.db",
    )


def _look_out(plan: Plan, made: Choice) -> None:
    """Say so, before a task is sent, when the running processes have come to use another broker than this one."""
    folder = plan.state_folder.absolute()
    looked_at = time.monotonic()
    said: set[str] = set()

    def look(**_: object) -> None:
        nonlocal looked_at
        if time.monotonic() - looked_at < _LOOK_EVERY_S:
            return
        looked_at = time.monotonic()
        theirs = choices.in_force(folder)
        if theirs is not None and theirs.broker not in (made.broker, *said):
            said.add(theirs.broker)
            emit("app", "broker.differs", broker=made.broker, theirs=theirs.broker, pid=theirs.pid)

    signals.before_task_publish.connect(look, weak=False)
