"""Amazon SQS: what a plan says that SQS, which has neither broadcasts nor priorities nor topics, could not keep."""

from __future__ import annotations

import string
from datetime import timedelta

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped
from celeriac.plan.rules.addresses import scheme_of
from celeriac.units import say_duration

_NAME_CHARS_MAX = 80
#: nobody can hold a message of SQS for longer
_HELD_MAX = timedelta(hours=12)
#: as kombu names queues at SQS
_SPELLING = {ord(each): "-" if each == "." else "_" for each in string.punctuation if each not in "-_"}


def judge(plan: Plan, report: Report) -> None:
    """Report what a plan with an SQS broker says in vain."""
    if not any(scheme_of(url) == "sqs" for url in plan.candidates):
        return
    _judge_queues(plan, report)
    _judge_pools(plan, report)
    for glob, policy in plan.tasks.items():
        if policy.priority is not None:
            report.add(
                ("tasks", glob, "priority"),
                "PLAN-182",
                "SQS has no priorities: these tasks wait with all others of their queue.",
                fix="give them a queue, and a pool, of their own",
                severity="warning",
                needs=[("broker",)],
            )
    flowers = {("flower",): plan.flower} | {("flowers", name): it for name, it in plan.flowers.items()}
    for path, flower in flowers.items():
        if flower is not None:
            report.add(
                path,
                "PLAN-184",
                "Flower sees nothing of workers on SQS, which has no broadcasts.",
                fix="remove it; [records] keeps the history of runs, and [metrics] serves figures",
                needs=[("broker",)],
            )
    if scheme_of(plan.results) == "rpc":
        report.add(
            ("results",),
            "PLAN-185",
            "results of the kind rpc would leave a queue at SQS for each process that waits for one.",
            fix="keep them at redis:// or postgresql://, or write disabled://",
            needs=[("broker",)],
        )


def _judge_queues(plan: Plan, report: Report) -> None:
    options = plan.celery.get("broker_transport_options")
    prefix = str(options.get("queue_name_prefix", "")) if isinstance(options, dict) else ""
    first: dict[str, str] = {}
    for name in [*plan.queues, plan.letters.queue]:
        spelt = f"{prefix}{name}".translate(_SPELLING)
        path = ("letters", "queue") if name == plan.letters.queue else ("queues", name)
        if len(spelt) > _NAME_CHARS_MAX:
            report.add(
                path,
                "PLAN-181",
                f'at SQS its queue would be called "{clipped(spelt)}", {len(spelt)} characters; '
                f"{_NAME_CHARS_MAX} are allowed.",
                fix="choose a shorter name, or a shorter queue_name_prefix",
                needs=[("broker",)],
            )
        elif first.setdefault(spelt, name) != name:
            report.add(
                path,
                "PLAN-180",
                f'at SQS it would be the same queue as "{clipped(first[spelt])}", for both are called '
                f'"{clipped(spelt)}" there.',
                fix="give it a name that differs in more than dots and dashes",
                needs=[("broker",)],
            )


def _judge_pools(plan: Plan, report: Report) -> None:
    for name, pool in plan.pools.items():
        if pool.time_limit is not None and pool.time_limit > _HELD_MAX:
            report.add(
                ("pools", name, "time_limit"),
                "PLAN-186",
                f"a task may run {say_duration(pool.time_limit)}, but SQS gives it to another worker after "
                f"{say_duration(_HELD_MAX)}.",
                fix=f"write at most {say_duration(_HELD_MAX)}, and cut the work into shorter tasks",
                severity="warning",
                needs=[("broker",)],
            )
