"""The alarms of a RabbitMQ, told by its management API where the plan names one (`[flower].broker_api`)."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from celeriac.plan import Plan

_PATIENCE_S = 3.0


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm by which a node refuses messages.

    kind: "memory" or "disk". used: bytes; of a disk, bytes that are free. limit: bytes.
    """

    node: str
    kind: str
    used: int
    limit: int


def alarms(plan: Plan) -> list[Alarm]:
    """Give the alarms in force; none where the plan names no management API.

    Raises: OSError or ValueError if the API cannot be asked.
    """
    url = plan.flower.broker_api if plan.flower else ""
    if not url or not plan.broker.startswith(("amqp", "pyamqp")):
        return []
    return [alarm for node in _nodes(url) for alarm in _of(node)]


def _nodes(url: str) -> list[dict[str, Any]]:
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/').removesuffix('/api')}"
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    known = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - the plan's own address, http or https as it says
        f"{base}/api/nodes", headers={"Authorization": f"Basic {known}"}
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310
        found: list[dict[str, Any]] = json.load(answer)
    return found


def _of(node: dict[str, Any]) -> Iterator[Alarm]:
    name = str(node.get("name"))
    if "mem_alarm" not in node or "disk_free_alarm" not in node:
        raise ValueError(f"{name} does not tell its alarms (yet)")
    if node.get("mem_alarm"):
        yield Alarm(
            node=name, kind="memory", used=int(node.get("mem_used", 0)), limit=int(node.get("mem_limit", 0))
        )
    if node.get("disk_free_alarm"):
        yield Alarm(
            node=name,
            kind="disk",
            used=int(node.get("disk_free", 0)),
            limit=int(node.get("disk_free_limit", 0)),
        )
