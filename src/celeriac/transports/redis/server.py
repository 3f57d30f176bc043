"""What a Redis says of itself: its memory, what it saves, its clock."""

from __future__ import annotations

import time

import msgspec

from celeriac.errors import BrokerError
from celeriac.transports.redis.line import Line


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """A Redis server as it is now.

    max_bytes: what it may hold; 0: as much as there is.
    policy: what it does when that is reached, like "noeviction"; evicted: keys it has pushed out since it started.
    appends: it keeps an append-only file. saves: its rules for snapshots, "" for none; None: it does not tell.
    save_failed, append_failed: the last snapshot, the last write of that file did not succeed.
    ahead_s: how far its clock is ahead of ours, give or take `unsure_s`.
    """

    version: str
    used_bytes: int
    max_bytes: int
    policy: str
    evicted: int
    appends: bool
    saves: str | None
    save_failed: bool
    append_failed: bool
    ahead_s: float
    unsure_s: float


def read_server(line: Line) -> ServerState:
    """Ask a server for its state.

    Raises: BrokerUnavailable, BrokerError.
    """
    asked_at = time.time()
    seconds, microseconds = line.call("TIME")
    answered_at = time.time()
    said: dict[str, str] = {}
    for section in ("server", "memory", "persistence", "stats"):
        said |= dict(
            each.split(":", 1) for each in line.call("INFO", section).decode().splitlines() if ":" in each
        )
    return ServerState(
        version=said.get("redis_version", ""),
        used_bytes=int(said.get("used_memory", 0)),
        max_bytes=int(said.get("maxmemory", 0)),
        policy=said.get("maxmemory_policy", ""),
        evicted=int(said.get("evicted_keys", 0)),
        appends=said.get("aof_enabled") == "1",
        saves=_saves(line),
        save_failed=said.get("rdb_last_bgsave_status") == "err",
        append_failed=said.get("aof_last_write_status") == "err",
        ahead_s=int(seconds) + int(microseconds) / 1e6 - (asked_at + answered_at) / 2,
        unsure_s=(answered_at - asked_at) / 2,
    )


def _saves(line: Line) -> str | None:
    try:
        told = line.call("CONFIG", "GET", "save")
    except BrokerError:
        return None  # a hosted server, or a user without that right
    return told[1].decode() if len(told) > 1 else None
