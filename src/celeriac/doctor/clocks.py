"""How far the clocks of the servers that a plan relies on are from this machine's."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from sqlalchemy import text

from celeriac.doctor.words import address
from celeriac.plan import Plan
from celeriac.stores.schemes import REDIS_SCHEMES
from celeriac.stores.sql import open_engine


class Skew(msgspec.Struct, frozen=True, kw_only=True):
    """A server's clock. ahead_s: how far it is ahead of ours, give or take `unsure_s`."""

    at: str
    ahead_s: float
    unsure_s: float


def skews(plan: Plan) -> list[Skew]:
    """Ask the Redis and Postgres servers of coordination, records and results for their time.

    Raises: what their clients raise.
    """
    urls = dict.fromkeys((plan.coordination, plan.state, plan.results))
    return [skew for url in urls for skew in _skew(url, plan)]


def _skew(url: str, plan: Plan) -> Iterator[Skew]:
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme in REDIS_SCHEMES:
        from celeriac.stores.redis import open_redis  # noqa: PLC0415 - an extra

        with open_redis(url) as client:
            client.ping()  # connects, which must not count
            asked_at = time.time()
            seconds, microseconds = client.time()
        server_s = seconds + microseconds / 1e6
    elif scheme in ("postgresql", "postgres"):
        engine = open_engine(url, plan.folder)
        try:
            with engine.connect() as connection:
                asked_at = time.time()
                server_s = float(
                    connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
                )
        finally:
            engine.dispose()
    else:
        return
    answered_at = time.time()
    yield Skew(
        at=address(url),
        ahead_s=server_s - (asked_at + answered_at) / 2,
        unsure_s=(answered_at - asked_at) / 2,
    )
