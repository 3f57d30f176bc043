"""Schedules: each has one clock, a task that exists and a queue that is declared."""

from __future__ import annotations

from collections.abc import Collection

from celeriac.plan.cron import fault_of
from celeriac.plan.model import Plan, Schedule
from celeriac.plan.report import PlanPath, Report, clipped, write_or
from celeriac.plan.rules.routes import is_declared, own_tasks


def judge(plan: Plan, report: Report, task_names: Collection[str] | None) -> None:
    """Report schedules that would never fire, fire nothing, or fire into nowhere."""
    for name, schedule in plan.schedules.items():
        path = ("schedules", name)
        _judge_clock(report, path, schedule)
        _judge_task(report, path, schedule, task_names)
        if schedule.queue is not None and not is_declared(plan, report, schedule.queue):
            report.add(
                (*path, "queue"),
                "PLAN-053",
                f'schedule "{clipped(name)}" sends to queue "{clipped(schedule.queue)}", which is not declared.',
                known=plan.queues,
                fix=write_or(schedule.queue, plan.queues, f"add [queues.{clipped(schedule.queue)}]"),
            )


def _judge_clock(report: Report, path: PlanPath, schedule: Schedule) -> None:
    if (schedule.cron is None) == (schedule.every is None):
        both = schedule.cron is not None
        report.add(
            path,
            "PLAN-050",
            f'schedule "{clipped(str(path[1]))}" has {"both cron and every" if both else "neither cron nor every"}.',
            known=["cron", "every"],
            fix="keep one of the two" if both else 'add cron = "0 9 * * *" or every = "5m"',
        )
    fault = fault_of(schedule.cron) if schedule.cron is not None else None
    if fault:
        report.add(
            (*path, "cron"),
            "PLAN-051",
            f'"{clipped(schedule.cron or "")}" is no cron time: {fault}.',
            fix='write minute, hour, day of month, month and day of week, like "0 9 * * mon-fri"',
        )


def _judge_task(
    report: Report, path: PlanPath, schedule: Schedule, task_names: Collection[str] | None
) -> None:
    known = task_names is None or schedule.task in task_names
    if not schedule.task or not known:
        names = own_tasks(task_names or ())
        report.add(
            (*path, "task"),
            "PLAN-052",
            f'there is no task "{clipped(schedule.task)}" to send.',
            known=names,
            fix=write_or(schedule.task, names, "import the module that defines it, or mend the name"),
        )
