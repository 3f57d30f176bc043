"""The command line of a real Celery worker for one replica of a pool."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta

import msgspec

from celeriac.errors import PlanError
from celeriac.plan.model import Plan
from celeriac.plan.profiles import OF_PROCESSES, effective
from celeriac.plan.report import clipped, shortened, write_or
from celeriac.plan.tables.pools import Autoscale, Pool

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")
#: executors of our own, by the class that Celery imports; `-P custom` is its way of naming one
POOLS: dict[str | None, str] = {
    "asyncio": "celeriac.pools.asyncio:TaskPool",
    "processes": "celeriac.pools.processes:TaskPool",
}
_GREATEST = 1_000_000_000


def celery_environ(plan: Plan, pool: str) -> dict[str, str]:
    """Give the variables that `celery_arguments` needs set before Celery is imported.

    Raises: KeyError if the pool is not in the plan.
    """
    executor = effective(plan.pools[pool]).executor
    return {"CELERY_CUSTOM_WORKER_POOL": POOLS[executor]} if executor in POOLS else {}


def celery_arguments(
    plan: Plan, pool: str, replica: int = 1, environ: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Give the arguments of `celery` for one worker: ("worker", "-Q", "high,default", "-P", "threads", …).

    replica: which worker of the pool it is, 1 first; it becomes the node name, like "web-1@host".
    environ: the variables, os.environ if None. CELERY_CONCURRENCY, CELERY_AUTOSCALE_MIN and _MAX, MAX_TASKS_PER_CHILD
        and CELERY_LOGLEVEL win over the plan.
    Raises: PlanError if the pool is not in the plan, or a variable is no value for this pool.
    """
    declared = plan.pools.get(pool)
    if declared is None:
        raise PlanError(
            "PLAN-060",
            f'the plan has no pool "{clipped(pool)}".',
            known=shortened(plan.pools),
            fix=write_or(pool, plan.pools, f"add [pools.{clipped(pool)}]"),
        )
    variables = os.environ if environ is None else environ
    settings = _overridden(effective(declared), variables)
    level = variables.get("CELERY_LOGLEVEL") or (plan.logs.level if plan.logs else "INFO")
    if level.upper() not in LOG_LEVELS:
        raise PlanError(
            "PLAN-061",
            f'CELERY_LOGLEVEL is "{clipped(level)}", which is no log level.',
            at="the environment",
            known=LOG_LEVELS,
            fix=write_or(level.upper(), LOG_LEVELS, "set a known level"),
        )
    return ("worker", *_options(settings), "-n", f"{pool}-{replica}@%h", "--loglevel", level.upper())


def _options(pool: Pool) -> Iterator[str]:
    yield from ("-Q", ",".join(pool.queues))
    if pool.executor:
        yield from ("-P", "custom" if pool.executor in POOLS else pool.executor)
    if pool.autoscale:
        yield from ("--autoscale", f"{pool.autoscale.max},{pool.autoscale.min}")
    elif pool.concurrency:
        yield from ("-c", str(pool.concurrency))
    if pool.prefetch:
        yield from ("--prefetch-multiplier", str(pool.prefetch))
    if pool.time_limit:
        yield from ("--time-limit", _seconds(pool.time_limit))
    if pool.soft_time_limit:
        yield from ("--soft-time-limit", _seconds(pool.soft_time_limit))
    if pool.max_tasks_per_child:
        yield from ("--max-tasks-per-child", str(pool.max_tasks_per_child))
    if pool.max_memory_per_child:
        # Celery counts in KiB.
        yield from ("--max-memory-per-child", str(-(-pool.max_memory_per_child // 1024)))
    if not pool.gossip:
        yield "--without-gossip"
    if not pool.mingle:
        yield "--without-mingle"


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.3f}".rstrip("0").rstrip(".")


def _overridden(pool: Pool, environ: Mapping[str, str]) -> Pool:
    """Lay the variables of a worker over its pool."""
    concurrency = _whole_number(environ, "CELERY_CONCURRENCY")
    least = _whole_number(environ, "CELERY_AUTOSCALE_MIN")
    most = _whole_number(environ, "CELERY_AUTOSCALE_MAX")
    per_child = _whole_number(environ, "MAX_TASKS_PER_CHILD")
    if concurrency and (least or most):
        raise _contradiction(
            "CELERY_CONCURRENCY and CELERY_AUTOSCALE_MIN or _MAX are both set", "unset one of them"
        )
    if concurrency:
        pool = msgspec.structs.replace(pool, concurrency=concurrency, autoscale=None)
    if least or most:
        pool = _autoscaled(pool, least, most)
    if per_child:
        if pool.executor not in OF_PROCESSES:
            raise _contradiction(
                f"MAX_TASKS_PER_CHILD needs prefork or processes, not {pool.executor}",
                "unset it for this pool",
            )
        pool = msgspec.structs.replace(pool, max_tasks_per_child=per_child)
    return pool


def _autoscaled(pool: Pool, least: int | None, most: int | None) -> Pool:
    if pool.executor not in OF_PROCESSES:
        raise _contradiction(
            f"CELERY_AUTOSCALE_MIN and _MAX need prefork or processes, not {pool.executor}", "unset them"
        )
    low = least or (pool.autoscale.min if pool.autoscale else 1)
    high = most or (pool.autoscale.max if pool.autoscale else pool.concurrency)
    if high is None:
        raise _contradiction("CELERY_AUTOSCALE_MIN is set without CELERY_AUTOSCALE_MAX", "set both")
    if low > high:
        raise _contradiction(
            f"autoscale would run from {low} up to {high}, which is less", "mend CELERY_AUTOSCALE_MIN or _MAX"
        )
    return msgspec.structs.replace(pool, autoscale=Autoscale(min=low, max=high), concurrency=None)


def _whole_number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_GREATEST)) else 0
    if not 1 <= number <= _GREATEST:
        raise PlanError(
            "PLAN-062",
            f'{name} is "{clipped(text)}", which is no whole number from 1.',
            at="the environment",
            fix="set a whole number, or unset it",
        )
    return number


def _contradiction(message: str, fix: str) -> PlanError:
    return PlanError("PLAN-063", f"{message}.", at="the environment", fix=fix)
