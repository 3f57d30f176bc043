"""Routes: every task lands on a declared queue, and every queue is read by a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from fnmatch import fnmatchcase

from celeriac.plan.model import Plan
from celeriac.plan.policies import is_glob
from celeriac.plan.report import PlanPath, Report, clipped, write_or
from celeriac.plan.tables.tasks import Policy


def judge(plan: Plan, report: Report, task_names: Collection[str] | None) -> None:
    """Report queues that are named but not declared, read by nobody, or used twice."""
    _judge_pools(plan, report)
    _judge_readers(plan, report)
    _judge_letters(plan, report)
    for glob, policy in plan.tasks.items():
        _judge_policy(plan, report, glob, policy)
        if task_names is not None:
            _judge_glob(report, glob, task_names)


def is_declared(plan: Plan, report: Report, queue: str) -> bool:
    """Say whether a queue is declared; one whose table is in error is, and so is all if none can be told."""
    return (
        queue in plan.queues
        or report.is_spoiled(("queues", queue))
        or _section_is_lost(plan, report, "queues")
    )


def own_tasks(task_names: Collection[str]) -> list[str]:
    """List the tasks of the project: Celery's own are nothing a plan would name."""
    return sorted(name for name in task_names if not name.startswith("celery."))


def _section_is_lost(plan: Plan, report: Report, section: str) -> bool:
    return report.is_spoiled((section,)) and not getattr(plan, section) and not report.spoiled_names(section)


def _judge_pools(plan: Plan, report: Report) -> None:
    for name, pool in plan.pools.items():
        path: PlanPath = ("pools", name, "queues")
        if not pool.queues:
            report.add(
                path, "PLAN-020", f'pool "{clipped(name)}" reads no queue.', fix="name the queues it reads"
            )
        counts = Counter(pool.queues)
        for at, queue in enumerate(pool.queues):
            if not is_declared(plan, report, queue):
                report.add(
                    (*path, at),
                    "PLAN-012",
                    f'pool "{clipped(name)}" reads queue "{clipped(queue)}", which is not declared.',
                    known=plan.queues,
                    fix=write_or(queue, plan.queues, f"add [queues.{clipped(queue)}]"),
                )
            elif counts[queue] > 1:
                counts[queue] = 0
                report.add(
                    (*path, at),
                    "PLAN-021",
                    f'pool "{clipped(name)}" names queue "{clipped(queue)}" twice.',
                    fix="name it once",
                )


def _judge_readers(plan: Plan, report: Report) -> None:
    pools_in_doubt = report.spoiled_names("pools")
    if any(name not in plan.pools or report.is_spoiled(("pools", name, "queues")) for name in pools_in_doubt):
        # What a pool in error would read cannot be told.
        return
    if not plan.pools:
        # A plan without pools only sends; whoever reads the queues has a plan of their own.
        return
    read = {queue for pool in plan.pools.values() for queue in pool.queues}
    for name in plan.queues:
        if name not in read:
            report.add(
                ("queues", name),
                "PLAN-022",
                f'queue "{clipped(name)}" is read by no pool: what is sent there waits for ever.',
                fix=f'add "{clipped(name)}" to the queues of a pool, or remove [queues.{clipped(name)}]',
            )


def _judge_letters(plan: Plan, report: Report) -> None:
    queue = plan.letters.queue
    if queue in plan.queues:
        report.add(
            ("letters", "queue"),
            "PLAN-025",
            f'dead letters would wait in "{clipped(queue)}", which is a queue of work: they would be run again.',
            fix='name another queue, like "celeriac.dead"',
        )


def _judge_policy(plan: Plan, report: Report, glob: str, policy: Policy) -> None:
    if policy.queue is not None and not is_declared(plan, report, policy.queue):
        report.add(
            ("tasks", glob, "queue"),
            "PLAN-023",
            f'tasks "{clipped(glob)}" go to queue "{clipped(policy.queue)}", which is not declared.',
            known=plan.queues,
            fix=write_or(policy.queue, plan.queues, f"add [queues.{clipped(policy.queue)}]"),
        )


def _judge_glob(report: Report, glob: str, task_names: Collection[str]) -> None:
    if glob in task_names or any(fnmatchcase(name, glob) for name in task_names):
        return
    what = "matches no task" if is_glob(glob) else "is the name of no task"
    report.add(
        ("tasks", glob),
        "PLAN-024",
        f'"{clipped(glob)}" {what}.',
        known=own_tasks(task_names),
        fix=write_or(glob, task_names, "import the module that defines it, or remove this policy"),
    )
