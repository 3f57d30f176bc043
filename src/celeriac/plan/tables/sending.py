"""How long sending may take, and what becomes of tasks while the broker is away."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from celeriac.plan.marks import Range, Size


class Spool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where senders keep tasks on their own disk while the broker is away; any process of the plan there sends them on.

    path: the file, an SQLite database; its folder is made.
    max_size: how much it may hold; then sending is refused.
    """

    path: str = ".celeriac/spool.db"
    max_size: Size = 64 * 1024 * 1024


class Sending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long sending may take, and what becomes of a task when the broker is away.

    deadline: how long `delay()` may take, all tries to connect and to send included.
    spool: where tasks are kept until the broker is back; None: nowhere, and sending raises.
    """

    deadline: Annotated[timedelta, Range(0.3, 3600)] = timedelta(seconds=5)
    spool: Spool | None = None
