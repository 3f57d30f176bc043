"""Where a broker's file is, read from its URL."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

import msgspec

from celeriac.errors import BrokerError
from celeriac.units import duration

Durability = Literal["full", "relaxed"]

_PREFIX = "sqlite:///"
_LEASE_MIN_S = 0.5


class Location(msgspec.Struct, frozen=True):
    """Where a broker's file is and how safe a commit must be.

    durability: "full" survives kill -9 and power loss, "relaxed" kill -9 only.
    lease_s: how long a consumer may be silent before its messages are handed on, seconds; not under half a second.
    """

    path: Path
    durability: Durability = "full"
    lease_s: float = 10.0

    @property
    def folder(self) -> Path:
        """The folder of doorbells and pages beside the file."""
        return self.path.with_name(self.path.name + ".d")


def locate(url: str) -> Location:
    """Read `sqlite:///relative.db`, `sqlite:////absolute.db`, with `?durability=full|relaxed` and `lease=10s`.

    The path is taken as it is written up to the question mark; nothing in it is unquoted, as in a results URL.
    Raises: BrokerError BROKER-001 for anything else.
    """
    path, _, query = url.removeprefix(_PREFIX).partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    durability = options.pop("durability", "full")
    try:
        lease_s = duration(options.pop("lease", "10s")).total_seconds()
    except ValueError:
        lease_s = 0.0
    is_place = url.startswith(_PREFIX) and bool(path.strip("/"))
    if not is_place or options or durability not in ("full", "relaxed") or lease_s < _LEASE_MIN_S:
        raise BrokerError(
            "BROKER-001",
            f'"{url}" does not say where the embedded broker lives.',
            known=(
                "sqlite:///folder/broker.db",
                "sqlite:////absolute/broker.db",
                "?durability=full|relaxed",
                "?lease=10s",
            ),
            fix="write three slashes and a file path, four for an absolute one; a lease lasts 500ms at least",
        )
    return Location(Path(path).absolute(), "relaxed" if durability == "relaxed" else "full", lease_s)
