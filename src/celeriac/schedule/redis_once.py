"""A Redis transport of kombu's that stores a message with a `celeriac-once` key once, as the embedded broker does.

Used for the beat's own connection only. The message lands in the same list, in the same form, as with stock kombu.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from kombu.utils.json import dumps

from celeriac.wire import ONCE

#: how long a key is remembered; longer than anybody would send the same slot again
KEYS_KEPT_S = 30 * 86_400

#: KEYS key, list; ARGV seconds, message -> 1 if it was stored, 0 if it had been before
_PUSH_ONCE = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
return 1
"""


@cache
def with_once(transport: type[Any]) -> type[Any]:
    """Give a kombu Redis transport (the stock one, Sentinel's, or a team's own) that keeps the promise."""
    channel: Any = transport.Channel

    class OnceChannel(channel):
        def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
            once = message.get("headers", {}).pop(ONCE, None)
            if once is None:
                super()._put(queue, message, **kwargs)
                return
            ready = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
            with self.conn_or_acquire() as client:
                # EVAL takes keys as they are; the prefix of all other commands must be said here.
                keys = [f"{self.global_keyprefix}celeriac:once:{once}", f"{self.global_keyprefix}{ready}"]
                client.eval(_PUSH_ONCE, 2, *keys, KEYS_KEPT_S, dumps(message))

    return type("OnceTransport", (transport,), {"Channel": OnceChannel})
