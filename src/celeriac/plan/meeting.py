"""Where processes agree when the plan does not say: at a Redis broker, which all of them reach, else at the state."""

from __future__ import annotations

import re
from typing import Any

_REDIS = re.compile(r"(?P<server>rediss?://[^?;]+)(?:\?(?P<options>[^;]*))?\Z")
_SOCKET = re.compile(r"redis\+socket://(?P<path>/[^?;]+)(?:\?(?P<options>[^;]*))?\Z")
_VIRTUAL_HOST = re.compile(r"(?:\A|&)virtual_host=([0-9]+)")


def meeting_place(broker: Any, state: Any) -> Any:
    """Give the URL of the coordination store of a plan that names none.

    A state that is a server (Postgres) is kept: it is shared as well, and forgets nothing. Sentinels and lists of
    addresses are no single Redis, so that there it is the state too.
    """
    if not isinstance(broker, str) or not isinstance(state, str) or not state.startswith("sqlite:"):
        return state
    found = _REDIS.match(broker)
    if found is not None:
        # The broker's other options are the transport's.
        kept = [one for one in (found["options"] or "").split("&") if one.startswith("ssl_")]
        return found["server"] + (f"?{'&'.join(kept)}" if kept else "")
    found = _SOCKET.match(broker)
    if found is not None:
        database = _VIRTUAL_HOST.search(found["options"] or "")
        return f"unix://{found['path']}?db={database[1] if database else 0}"
    return state
