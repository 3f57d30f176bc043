"""Security: what is to be sealed has keys, and what is to be signed has senders that can be told apart."""

from __future__ import annotations

import re

from celeriac.plan.model import Plan
from celeriac.plan.report import PlanPath, Report, clipped

#: 32 bytes in base64 for URLs
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=\Z")


def judge(plan: Plan, report: Report) -> None:
    """Report keys that are missing or none, and senders nobody could be."""
    security = plan.security
    sealed: list[PlanPath] = [("security", "encrypt")] if security.encrypt else []
    sealed += [("tasks", glob, "encrypt") for glob, policy in plan.tasks.items() if policy.encrypt]
    if sealed and not security.keys:
        report.add(
            sealed[0],
            "PLAN-170",
            "payloads are to be sealed, and there is no key here: no such task can be sent or run.",
            fix='write keys = "${CELERIAC_KEYS:-}" in [security], and set it to what `celeriac keys new` prints',
            severity="warning",
            needs=[("security", "keys")],
        )
    for key in security.keys.replace(",", " ").split():
        _judge_key(report, ("security", "keys"), key)
    if security.signing_key:
        _judge_key(report, ("security", "signing_key"), security.signing_key)
    for name, sender in security.senders.items():
        if sender.key:
            _judge_key(report, ("security", "senders", name, "key"), sender.key)
    if security.senders and security.sender and security.sender not in security.senders:
        report.add(
            ("security", "sender"),
            "PLAN-172",
            f'this process is to be the sender "{clipped(security.sender)}", which is not declared.',
            known=tuple(security.senders),
            fix="write the name of one of them",
        )


def _judge_key(report: Report, path: PlanPath, key: str) -> None:
    """Report what is no key, without saying what it is."""
    if not _KEY.match(key):
        report.add(
            path,
            "PLAN-171",
            f"{path[-1]} holds something that is no key.",
            fix="make one: celeriac keys new",
        )
