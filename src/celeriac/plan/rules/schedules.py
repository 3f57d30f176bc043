"""Schedules: each has one clock, a task that exists and a queue that is declared."""

from __future__ import annotations

from collections.abc import Collection

from celeriac.plan.cron import fault_of
from celeriac.plan.model import Plan
from celeriac.plan.moments import is_zone, moment_of, place_of
from celeriac.plan.report import PlanPath, Report, clipped, write_or
from celeriac.plan.rules.breakers import coordinates_on_one_host
from celeriac.plan.rules.routes import is_declared, own_tasks
from celeriac.plan.tables.schedules import Schedule

#: the keys that say when
CLOCKS = ("cron", "every", "at", "sun")


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

    beats = plan.beat.replicas if plan.beat.replicas is not None else len(plan.schedules)
    if beats and coordinates_on_one_host(plan):
        report.add(
            ("coordination",),
            "PLAN-096",
            "beats agree on their leader through a SQLite file: a beat on another machine than this one would lead as "
            "well, and send every slot again.",
            fix="write coordination, a Redis or Postgres that all beats reach; or run beats on one machine only",
            severity="warning",
            needs=[("broker",), ("state",)],
        )


def _judge_clock(report: Report, path: PlanPath, schedule: Schedule) -> None:
    clocks = [clock for clock in CLOCKS if getattr(schedule, clock) is not None]
    if len(clocks) != 1:
        report.add(
            path,
            "PLAN-050",
            f'schedule "{clipped(str(path[1]))}" has {" and ".join(clocks) or "no clock"}; it needs exactly one.',
            known=CLOCKS,
            fix="keep one of them" if clocks else 'add cron = "0 9 * * *" or every = "5m"',
        )
    fault = fault_of(schedule.cron) if schedule.cron is not None else None
    if fault:
        report.add(
            (*path, "cron"),
            "PLAN-051",
            f'"{clipped(schedule.cron or "")}" is no cron time: {fault}.',
            fix='write minute, hour, day of month, month and day of week, like "0 9 * * mon-fri"',
        )
    _judge_moment(report, path, schedule)
    _judge_zone(report, path, schedule)
    _judge_place(report, path, schedule)


def _judge_moment(report: Report, path: PlanPath, schedule: Schedule) -> None:
    if schedule.at is None:
        return
    if moment_of(schedule.at) is None:
        report.add(
            (*path, "at"),
            "PLAN-054",
            f'"{clipped(schedule.at)}" is no date and time of day.',
            fix='write it like "2026-12-24T18:00", and its zone in timezone',
        )
    if schedule.overlap != "allow":
        report.add(
            (*path, "overlap"),
            "PLAN-055",
            "a schedule with one slot has no last run that could still be going.",
            fix="remove overlap",
            needs=[(*path, "at")],
        )


def _judge_zone(report: Report, path: PlanPath, schedule: Schedule) -> None:
    if not is_zone(schedule.timezone):
        report.add(
            (*path, "timezone"),
            "PLAN-056",
            f'"{clipped(schedule.timezone)}" is no time zone of this machine.',
            fix='write a name of the IANA database, like "Europe/Berlin"; `pip install tzdata` brings all of them',
        )
    elif schedule.timezone != "UTC" and schedule.cron is None and schedule.at is None:
        report.add(
            (*path, "timezone"),
            "PLAN-057",
            "a time zone changes nothing here: every and sun are the same moments everywhere.",
            fix="remove timezone, or write a cron time",
        )


def _judge_place(report: Report, path: PlanPath, schedule: Schedule) -> None:
    if schedule.sun is not None and (schedule.place is None or place_of(schedule.place) is None):
        report.add(
            (*path, "place") if schedule.place is not None else path,
            "PLAN-058",
            f"the sun is seen from a place, and {_said(schedule.place)}.",
            fix='write place = "52.52, 13.40": latitude from -90 to 90, longitude from -180 to 180',
        )
    elif schedule.place is not None and schedule.sun is None:
        report.add(
            (*path, "place"), "PLAN-059", "a place is of no use without sun.", fix="remove place, or add sun"
        )


def _said(place: str | None) -> str:
    return "none is named" if place is None else f'"{clipped(place)}" is none'


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
