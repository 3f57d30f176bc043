"""Opening a coordination store by its URL."""

from __future__ import annotations

from pathlib import Path

from celeriac.coordination.protocol import Coordination
from celeriac.errors import CoordinationError
from celeriac.stores.schemes import REDIS_SCHEMES, SQL_SCHEMES


def open_coordination(url: str, folder: Path = Path()) -> Coordination:
    """Give the store at `url`; nothing is connected to before it is first used.

    url: "redis://…", "rediss://…", "unix://…", "postgresql://…", or "sqlite:///file" (relative to `folder`).
    Raises: CoordinationError or RecordsError for a URL that names no store, or a driver that is not installed.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    # Each store is imported by the first who uses it: the drivers are extras, and slow to import.
    if scheme in REDIS_SCHEMES:
        from celeriac.stores.redis import open_redis  # noqa: PLC0415

        open_redis(url).close()
        from celeriac.coordination.redis import RedisCoordination  # noqa: PLC0415

        return RedisCoordination(url)
    if scheme in SQL_SCHEMES:
        from celeriac.coordination.sql import SqlCoordination  # noqa: PLC0415

        return SqlCoordination(url, folder)
    raise CoordinationError(
        "COORD-008",
        f'processes cannot agree by "{url}": the scheme "{scheme}" is not supported.',
        known=[*REDIS_SCHEMES, *SQL_SCHEMES],
        fix="name a Redis, a Postgres server or a SQLite file in [celeriac].coordination",
    )


def is_made(url: str, folder: Path = Path()) -> bool:
    """Say whether the store at `url` has what processes agree by; makes nothing. A Redis needs nothing made.

    Raises: RecordsError for a URL that names no database; what SQLAlchemy raises if it cannot be asked.
    """
    if url.partition(":")[0].partition("+")[0] not in SQL_SCHEMES:
        return True
    from sqlalchemy import inspect  # noqa: PLC0415

    from celeriac.coordination.tables import layout  # noqa: PLC0415
    from celeriac.stores.sql import existing  # noqa: PLC0415

    with existing(url, folder) as engine:
        return engine is not None and inspect(engine).has_table(layout.name)
