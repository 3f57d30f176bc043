"""What of a message a seal and a signature hold fast: every header, and where its answer goes.

Free are only the headers that are put on or taken off on the way: by brokers (`x-…`), by kombu's compression, and by
Celeriac where a message is stored once or becomes a letter. The queue is free as well: a letter may be replayed to
another one, and a broker may move what is late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kombu.utils.json import dumps

from celeriac import wire

_FREE = frozenset({wire.ONCE, wire.DEATH, wire.SIGNED, "compression"})
_PROPERTIES = ("correlation_id", "reply_to")


def bound(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> bytes:
    """Write what is held fast, the same before the broker and after it.

    Raises: TypeError, ValueError for headers that have no spelling in JSON, and are no header of a task then.
    """
    held = {name: value for name, value in headers.items() if name not in _FREE and not name.startswith("x-")}
    answer = [properties.get(name) for name in _PROPERTIES]
    text: str = dumps([held, answer], sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
