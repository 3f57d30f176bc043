"""Flowers: each has an address of its own, pools that exist, and is not open to everybody unawares."""

from __future__ import annotations

import re

from celeriac.plan.flowers import host_and_port
from celeriac.plan.model import Plan
from celeriac.plan.report import PlanPath, Report, clipped, write_or
from celeriac.plan.rules.addresses import scheme_of
from celeriac.plan.rules.listening import is_open, judge_auth
from celeriac.plan.tables.observing import Flower

_PREFIX = re.compile(r"/?[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report Flowers that could not start, would show nothing, or could be used by anybody."""
    paths: list[tuple[PlanPath, Flower]] = [] if plan.flower is None else [(("flower",), plan.flower)]
    for name, flower in plan.flowers.items():
        paths.append((("flowers", name), flower))
        if not _NAME.match(name):
            report.add(
                ("flowers", name),
                "PLAN-083",
                f'"{clipped(name)}" is no name for a Flower.',
                fix="use up to 100 letters, digits, dots, dashes and underscores, a letter or digit first",
            )
    taken: dict[str, PlanPath] = {} if plan.metrics is None else {plan.metrics.address: ("metrics",)}
    for path, flower in paths:
        _judge_address(report, path, flower, taken)
        _judge_pools(plan, report, path, flower)
        _judge_words(plan, report, path, flower)


def _judge_address(report: Report, path: PlanPath, flower: Flower, taken: dict[str, PlanPath]) -> None:
    if host_and_port(flower.address) is None:
        report.add(
            (*path, "address"),
            "PLAN-076",
            f'"{clipped(flower.address)}" is no host and port.',
            fix='write it like "127.0.0.1:5555"',
        )
        return
    other = taken.setdefault(flower.address, path)
    if other != path:
        report.add(
            (*path, "address"),
            "PLAN-080",
            f"[{'.'.join(map(str, other))}] listens at {flower.address} already.",
            fix="give each a port of its own",
        )
    if is_open(flower.address, flower.auth):
        report.add(
            (*path, "address"),
            "PLAN-079",
            f"whoever reaches {flower.address} may stop workers and revoke tasks.",
            fix='write auth = "${FLOWER_BASIC_AUTH:-}" and set it, or listen at 127.0.0.1',
            severity="warning",
            needs=[(*path, "auth")],
        )


def _judge_pools(plan: Plan, report: Report, path: PlanPath, flower: Flower) -> None:
    for at, pool in enumerate(flower.pools):
        if pool not in plan.pools and not report.is_spoiled(("pools", pool)):
            report.add(
                (*path, "pools", at),
                "PLAN-077",
                f'it shows pool "{clipped(pool)}", which is not declared.',
                known=plan.pools,
                fix=write_or(pool, plan.pools, f"add [pools.{clipped(pool)}]"),
            )


def _judge_words(plan: Plan, report: Report, path: PlanPath, flower: Flower) -> None:
    if flower.url_prefix and not _PREFIX.match(flower.url_prefix):
        report.add(
            (*path, "url_prefix"),
            "PLAN-081",
            f'"{clipped(flower.url_prefix)}" is no path.',
            fix='write it like "flower" or "ops/flower"',
        )
    judge_auth(report, (*path, "auth"), flower.auth)
    if flower.broker_api and not any(scheme_of(url) in ("amqp", "amqps") for url in plan.candidates):
        report.add(
            (*path, "broker_api"),
            "PLAN-078",
            "only RabbitMQ has a management API that Flower asks; it looks at Redis by itself.",
            fix="remove broker_api, or use a broker of the kind amqp",
            needs=[("broker",)],
        )
