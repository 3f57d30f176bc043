"""Advice: what is worth changing in a project once its plan changes nothing, each with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from celeriac.adopting.lines import CommandLine
from celeriac.adopting.snapshot import Snapshot
from celeriac.adopting.writing import PoolDraft
from celeriac.app.settings import SETTINGS
from celeriac.errors import redacted

#: names that people set and Celery never reads → what does what they meant
_DEAD = {
    "task_max_retries": 'retry = { limit = … } under [tasks."*"]',
    "task_default_retry_delay": 'retry = { backoff = … } under [tasks."*"]',
    "task_autoretry_for": 'retry = { on = [ … ] } under [tasks."*"]',
    "task_retry_backoff": 'retry = { backoff = … } under [tasks."*"]',
    "task_retry_backoff_max": 'retry = { cap = … } under [tasks."*"]',
    "task_retry_jitter": 'retry = { jitter = … } under [tasks."*"]',
    "worker_autoscale": "autoscale = { min = …, max = … } of a pool",
    "worker_max_tasks_per_child_soft": "max_tasks_per_child of a pool",
}
_NAMED_MAX = 5
_VISIBILITY_S = 3600.0


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing worth changing: a code, what is, why it matters, and what to do."""

    code: str
    message: str
    at: str
    fix: str


def advice(code: str, message: str, *, at: str, fix: str) -> Advice:
    """Word one piece of advice; a password in a URL is hidden."""
    return Advice(code=code, message=redacted(message), at=at, fix=fix)


def advise(
    snapshot: Snapshot, lines: Sequence[CommandLine], pools: Sequence[PoolDraft], pins: Mapping[str, Any]
) -> list[Advice]:
    """Give what is worth changing, the most telling first."""
    return [
        *_of_what_never_works(snapshot),
        *_of_safety(snapshot),
        *_of_time(snapshot, pools),
        *_of_redis(snapshot),
        *_of_workers(lines, pools),
        *_of_pins(pins),
    ]


def _of_what_never_works(snapshot: Snapshot) -> Iterator[Advice]:
    for name in snapshot.unknown:
        yield advice(
            "ADOPT-101",
            f"{name} is set, and Celery has no such setting: it does nothing.",
            at="the app's configuration",
            fix=f"write {_DEAD[name]}, and remove it" if name in _DEAD else "mend the name, or remove it",
        )
    kept = [name for name, task in snapshot.tasks.items() if task.get("result_expires") is not None]
    if kept:
        yield advice(
            "ADOPT-102",
            "tasks have a result_expires of their own, which Celery does not read.",
            at=_named(kept),
            fix="set result_expires for the whole app, or forget() a result when it was read",
        )
    for name, entry in snapshot.schedules.items():
        if not entry.get("schedule") and "entry" not in entry:
            yield advice(
                "ADOPT-104",
                f'schedule "{name}" says no time: it has no "schedule".',
                at="beat_schedule",
                fix='say when, like "schedule": crontab(hour=3)',
            )
        task = entry.get("task")
        if task is not None and task not in snapshot.tasks and not str(task).startswith("celery."):
            yield advice(
                "ADOPT-103",
                f'schedule "{name}" sends {task}, which no worker of this app knows.',
                at="beat_schedule",
                fix="mend the name, or import the module that defines the task",
            )


def _of_safety(snapshot: Snapshot) -> Iterator[Advice]:
    settings = snapshot.settings
    unsafe = {"pickle", "application/x-python-serialize", "yaml"} & set(
        map(str, settings["accept_content"] or ())
    )
    if unsafe:
        yield advice(
            "ADOPT-110",
            f"workers accept {', '.join(sorted(unsafe))}: whoever can write to the broker can run code in them.",
            at="accept_content",
            fix='send JSON, and accept it alone: accept_content = ["json"]',
        )
    if settings["task_always_eager"]:
        yield advice(
            "ADOPT-111",
            "task_always_eager is set: nothing is ever sent, tasks run in the caller.",
            at="the app's configuration",
            fix="set it in tests only; celeriac's pytest plugin runs tasks inline",
        )
    early = [name for name, task in snapshot.tasks.items() if not task.get("acks_late")]
    if early:
        yield advice(
            "ADOPT-112",
            f"{len(early)} of {len(snapshot.tasks)} tasks are acked before they run: a worker that dies loses them.",
            at=_named(early),
            fix="see that they may run twice, then remove task_acks_late from [celery]",
        )
    endless = [
        name
        for name, task in snapshot.tasks.items()
        if task.get("autoretry_for") and task["max_retries"] is None
    ]
    if endless:
        yield advice(
            "ADOPT-113",
            "these tasks are retried without end: one that can never succeed is never seen as failed.",
            at=_named(endless),
            fix="give them a limit: max_retries, or retry = { limit = … } in the plan",
        )


def _of_time(snapshot: Snapshot, pools: Sequence[PoolDraft]) -> Iterator[Advice]:
    if snapshot.settings["task_time_limit"] or all("time_limit" in pool.values for pool in pools):
        return
    unlimited = [name for name, task in snapshot.tasks.items() if not task.get("time_limit")]
    if unlimited:
        yield advice(
            "ADOPT-120",
            f"{len(unlimited)} of {len(snapshot.tasks)} tasks may run for ever, and hold a slot for as long.",
            at=_named(unlimited),
            fix='write time_limit = "10m", say, for the pool, and remove task_time_limit from [celery]',
        )


def _of_redis(snapshot: Snapshot) -> Iterator[Advice]:
    if not re.match(r"(rediss?|redis\+socket|sentinel)://", snapshot.broker):
        return
    options = snapshot.settings["broker_transport_options"] or {}
    timeout_s = float(options.get("visibility_timeout") or _VISIBILITY_S)
    limits = [float(task["time_limit"]) for task in snapshot.tasks.values() if task.get("time_limit")]
    longest_s = max([*limits, float(snapshot.settings["task_time_limit"] or 0.0)])
    if longest_s > timeout_s or not longest_s:
        longest = f"tasks may run for {longest_s:.0f} s" if longest_s else "no task has a time limit"
        yield advice(
            "ADOPT-130",
            f"{longest}, and Redis hands a message out again after {timeout_s:.0f} s: with late acks such a task "
            "runs twice at once; so does one with a longer eta or countdown.",
            at="broker_transport_options",
            fix="keep limits and delays below it, or raise visibility_timeout",
        )
    if any(task.get("priority") is not None for task in snapshot.tasks.values()):
        yield advice(
            "ADOPT-131",
            "tasks have a priority, and on Celery's own Redis transport 0 goes first and 9 last.",
            at="priority",
            fix="count from the other end, or use queues of their own for what is urgent",
        )


def _of_workers(lines: Sequence[CommandLine], pools: Sequence[PoolDraft]) -> Iterator[Advice]:
    for pool in pools:
        if pool.values.get("replicas") == "0":
            yield advice(
                "ADOPT-140",
                f"nothing was found that reads {', '.join(pool.queues)}; the plan has a pool of no workers for it.",
                at=f"[pools.{pool.name}]",
                fix="name the queues in a pool that reads them, and remove this one",
            )
    for line in lines:
        if "without_heartbeat" in line.options:
            yield advice(
                "ADOPT-141",
                "a worker runs without heartbeat: monitors and its metrics are blind to it.",
                at=line.at,
                fix="leave --without-heartbeat out; workers of the plan have it",
            )
        if "beat" in line.options:
            yield advice(
                "ADOPT-142",
                "a worker runs a beat inside (-B): two such workers send every schedule twice.",
                at=line.at,
                fix="let the plan's own beat send them: [beat] replicas = 1",
            )
        if "autoscale" in line.options:
            yield advice(
                "ADOPT-143",
                "a worker scales by --autoscale, which follows what it holds and not how long the queue is.",
                at=line.at,
                fix="see how the queue fares with `celeriac queues`, and give it max_wait",
            )


def _of_pins(pins: Mapping[str, Any]) -> Iterator[Advice]:
    why = {setting.name: setting.why for setting in SETTINGS}
    if "broker_transport" in pins:
        yield advice(
            "ADOPT-151",
            "Celery's own transport is kept: a worker that is killed while it fetches may lose a task, and what a dead "
            "worker held waits for the visibility timeout.",
            at="[celery].broker_transport",
            fix="remove the line: Celeriac's transport leases tasks, and shares its queues with Celery's meanwhile",
        )
    for name, value in sorted(pins.items()):
        if name in why and name != "task_acks_late":
            yield advice(
                "ADOPT-150",
                f"kept at {value!r}, as it was. {why[name]}",
                at=f"[celery].{name}",
                fix="remove the line",
            )


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:_NAMED_MAX])
    return f"{shown}, and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else shown
