"""Limits: time limits, grace and slots fit each other and the executor that has to keep them."""

from __future__ import annotations

from datetime import timedelta

from celeriac.plan.model import Plan
from celeriac.plan.profiles import OF_PROCESSES, effective
from celeriac.plan.report import PlanPath, Report, clipped
from celeriac.plan.rules.addresses import scheme_of
from celeriac.plan.tables.pools import Pool
from celeriac.plan.tables.tasks import Policy
from celeriac.units import say_duration

#: what Celery's executors can do about a task that takes too long; eventlet's takes a limit, and forgets it
_KEEP_HARD_LIMITS = ("prefork", "processes", "asyncio", "gevent")
_KEEP_SOFT_LIMITS = ("prefork", "processes", "asyncio")
#: brokers at which the parent of `processes` can settle for a slot that died; RabbitMQ without TLS, by its socket
_SETTLED_FOR = ("sqlite", "redis", "rediss", "redis+socket", "sentinel", "amqp", "pyamqp")
_OF_PROCESSES_ONLY = ("autoscale", "max_tasks_per_child", "max_memory_per_child")


def judge(plan: Plan, report: Report) -> None:
    """Report limits that contradict each other or that nothing would enforce."""
    readers: dict[str, list[tuple[str, Pool]]] = {}
    for name, pool in plan.pools.items():
        _judge_pool(report, name, pool)
        _judge_settling(report, plan, name, pool)
        for queue in pool.queues:
            readers.setdefault(queue, []).append((name, pool))
    for glob, policy in plan.tasks.items():
        path = ("tasks", glob)
        _judge_order(report, path, policy.soft_time_limit, policy.time_limit)
        for pool_name, pool in readers.get(policy.queue or plan.default_queue, []):
            _judge_policy_in_pool(report, path, policy, pool_name, pool)


def _judge_pool(report: Report, name: str, pool: Pool) -> None:
    path = ("pools", name)
    _judge_order(report, path, pool.soft_time_limit, pool.time_limit)
    _judge_executor(report, path, name, pool)
    if pool.time_limit and pool.time_limit > pool.grace:
        _warn_of_grace(report, (*path, "time_limit"), pool.time_limit, name, pool)
    if pool.autoscale and pool.autoscale.min > pool.autoscale.max:
        report.add(
            (*path, "autoscale"),
            "PLAN-034",
            f'pool "{clipped(name)}" scales from {pool.autoscale.min} slots up to {pool.autoscale.max}, which is less.',
            fix="write min no greater than max",
        )
    if pool.autoscale and pool.concurrency is not None:
        report.add(
            (*path, "concurrency"),
            "PLAN-035",
            f'pool "{clipped(name)}" has both a fixed concurrency and autoscale.',
            fix="keep one of the two",
            needs=[(*path, "autoscale")],
        )


def _judge_settling(report: Report, plan: Plan, name: str, pool: Pool) -> None:
    if effective(pool).executor != "processes":
        return
    # kombu takes several addresses of one cluster, parted by semicolons.
    kinds = [scheme_of(url) for url in ";".join(plan.candidates).split(";")]
    unsettled = next((kind for kind in kinds if kind not in _SETTLED_FOR), None)
    if unsettled is not None:
        report.add(
            ("pools", name, "executor"),
            "PLAN-183",
            f'pool "{clipped(name)}" runs on processes, whose parent cannot settle for them at a '
            f'"{clipped(unsettled)}" broker.',
            known=["prefork", "threads", "solo", "asyncio", "gevent"],
            fix='write executor = "prefork"',
            needs=[("broker",)],
        )


def _judge_executor(report: Report, path: PlanPath, name: str, pool: Pool) -> None:
    executor = effective(pool).executor
    needs = [(*path, "executor"), (*path, "profile")]
    for key in _OF_PROCESSES_ONLY:
        if getattr(pool, key) is not None and executor not in OF_PROCESSES:
            report.add(
                (*path, key),
                "PLAN-033",
                f'pool "{clipped(name)}" has {key}, which its executor {executor} cannot keep.',
                known=OF_PROCESSES,
                fix='remove it, or write executor = "prefork"',
                needs=needs,
            )
    if pool.soft_time_limit is not None and executor not in _KEEP_SOFT_LIMITS:
        report.add(
            (*path, "soft_time_limit"),
            "PLAN-033",
            f'pool "{clipped(name)}" has soft_time_limit, which its executor {executor} cannot keep.',
            known=_KEEP_SOFT_LIMITS,
            fix='remove it, or write executor = "prefork"',
            needs=needs,
        )
    if pool.time_limit is not None and executor not in _KEEP_HARD_LIMITS:
        report.add(
            (*path, "time_limit"),
            "PLAN-032",
            f'pool "{clipped(name)}" has a time limit, which its executor {executor} cannot enforce.',
            known=_KEEP_HARD_LIMITS,
            fix='remove it, or write executor = "prefork"',
            needs=needs,
        )
    if executor == "solo" and pool.concurrency not in (None, 1):
        report.add(
            (*path, "concurrency"),
            "PLAN-036",
            f'pool "{clipped(name)}" has {pool.concurrency} slots, but a solo worker has one.',
            fix="remove concurrency, or write more replicas",
            needs=needs,
        )


def _judge_order(report: Report, path: PlanPath, soft: timedelta | None, hard: timedelta | None) -> None:
    if soft is not None and hard is not None and soft >= hard:
        report.add(
            (*path, "soft_time_limit"),
            "PLAN-030",
            f"the soft limit {say_duration(soft)} does not come before the hard limit {say_duration(hard)}.",
            fix="write a shorter soft_time_limit, so that the task has time to tidy up",
            needs=[(*path, "time_limit")],
        )


def _judge_policy_in_pool(report: Report, path: PlanPath, policy: Policy, name: str, pool: Pool) -> None:
    executor = effective(pool).executor
    needs: list[PlanPath] = [("pools", name, "executor"), ("pools", name, "profile"), (*path, "queue")]
    for key, able in (("time_limit", _KEEP_HARD_LIMITS), ("soft_time_limit", _KEEP_SOFT_LIMITS)):
        if getattr(policy, key) is not None and executor not in able:
            report.add(
                (*path, key),
                "PLAN-037",
                f'these tasks have a {key}, but pool "{clipped(name)}" runs them on {executor}, which cannot keep it.',
                known=able,
                fix=f'send them to a pool with executor = "prefork", or remove {key}',
                needs=needs,
            )
    if policy.time_limit and policy.time_limit > pool.grace and policy.time_limit != pool.time_limit:
        _warn_of_grace(report, (*path, "time_limit"), policy.time_limit, name, pool)


def _warn_of_grace(report: Report, path: PlanPath, limit: timedelta, name: str, pool: Pool) -> None:
    report.add(
        path,
        "PLAN-031",
        f'a task may run {say_duration(limit)}, but a stopping worker of pool "{clipped(name)}" waits only '
        f"{say_duration(pool.grace)}: it is killed, and the task runs again.",
        fix=f'write grace = "{say_duration(limit)}" for the pool, or see that the task may run twice',
        severity="warning",
        needs=[("pools", name, "grace")],
    )
