"""The spool of this host: what it holds, and sending it on by hand."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from celeriac.errors import CommandError
from celeriac.plan import Plan
from celeriac.tasks.sending.amqp import spool_at
from celeriac.tasks.sending.draining import Away, drain, sender_of
from celeriac.tasks.sending.spool import Spool


class SpoolReport(msgspec.Struct, frozen=True, kw_only=True):
    """A spool as it is now.

    tasks: those that wait for the broker. aside: those that cannot be sent. troubles: why, the first ten.
    """

    path: str
    tasks: int
    aside: int
    size_bytes: int
    max_size_bytes: int
    oldest_age_s: float | None
    troubles: tuple[str, ...] = ()


def report(plan: Plan) -> SpoolReport | None:
    """Say what this host's spool holds; None if the plan has none.

    Raises: NotSent if its file cannot be used.
    """
    spool, said = spool_at(plan), plan.sending.spool
    if spool is None or said is None:
        return None
    standing = spool.standing()
    return SpoolReport(
        path=str(spool.path),
        tasks=standing.tasks,
        aside=standing.aside,
        size_bytes=standing.size_bytes,
        max_size_bytes=said.max_size,
        oldest_age_s=None if standing.oldest is None else max(time.time() - standing.oldest, 0.0),
        troubles=tuple(f"{number}: {trouble}" for number, trouble in spool.aside()[:10])
        if standing.aside
        else (),
    )


def send_on(plan: Plan, app: Any, *, aside: bool = False) -> int:
    """Send what waits to the broker now; say how many tasks were sent.

    aside: try what was set aside again, too.
    Raises: CommandError if the plan has no spool, another process is at it, or the broker is away.
    """
    spool = _spool(plan)
    if not spool.path.exists():
        return 0
    if aside:
        spool.retry_aside()
    with spool.draining() as is_mine:
        if not is_mine:
            raise CommandError(
                "UP-040",
                "another process is sending on what the spool holds.",
                at=str(spool.path),
                fix="wait for it; `celeriac spool` shows how much is left",
            )
    try:
        return drain(spool, sender_of(app))
    except Away as away:
        raise CommandError(
            "UP-041",
            f"the broker takes nothing now: {str(away).rstrip('.')}. What waits is kept.",
            at=str(spool.path),
            fix="try again when it is back; processes of the plan also do so by themselves",
        ) from away


def _spool(plan: Plan) -> Spool:
    spool = spool_at(plan)
    if spool is None:
        raise CommandError(
            "UP-042",
            "the plan keeps no spool.",
            at=str(plan.source) if plan.source else None,
            fix="add [sending.spool]",
        )
    return spool
