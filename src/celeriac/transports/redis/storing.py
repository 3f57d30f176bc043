"""How messages are stored: by the script that fits them, once for each send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from celeriac.transports.redis.keys import Keys
from celeriac.transports.redis.line import Argument, Line, Packed
from celeriac.transports.redis.scripts import PUSH, SEND

#: how long a send may be tried again and be known, seconds; a spool may wait so long for the server
SENDER_KEPT_S = 86_400
#: how long a once-key is remembered, seconds
ONCE_KEPT_S = 30 * 86_400
#: lists whose names are kept packed
_LISTS_KEPT = 1000
#: messages of one push: Lua takes only so many arguments at once
_PUSHED_MAX = 4000


class Stored(NamedTuple):
    """A message for one queue.

    due: epoch seconds; None: now. once: its once-key. max_length: the queue's bound, which it must respect.
    """

    queue: str
    priority: int
    raw: bytes
    due: float | None = None
    once: str | None = None
    max_length: int | None = None

    def is_plain_in(self, queue: str, priority: int) -> bool:
        """Say whether it goes to this list, whatever the server holds."""
        asks_nothing = self.due is None and self.once is None and self.max_length is None
        return asks_nothing and self.queue == queue and self.priority == priority


class Storing:
    """Stores what one channel sends.

    Raises, from `store`: BrokerUnavailable, BrokerError.
    """

    def __init__(self, line: Line, keys: Keys) -> None:
        self._line = line
        self._keys = keys
        self._packed: dict[tuple[str, str, int], Packed] = {}

    def store(self, sender: str, number: int, messages: Sequence[Stored]) -> Sequence[Any]:
        """Store messages, all or none, under a number that is remembered of the sender; say what the script says."""
        queue, priority = messages[0].queue, messages[0].priority
        if len(messages) <= _PUSHED_MAX and all(each.is_plain_in(queue, priority) for each in messages):
            keys = self._list(sender, queue, priority)
            arguments: list[Argument] = [number, SENDER_KEPT_S, *(each.raw for each in messages)]
            return cast("Sequence[Any]", self._line.run(PUSH, keys, arguments))
        request = _Request(self._keys, sender, number)
        for each in messages:
            request.add(each)
        return cast("Sequence[Any]", self._line.run(SEND, request.keys, request.arguments))

    def _list(self, sender: str, queue: str, priority: int) -> Packed:
        which = sender, queue, priority
        packed = self._packed.get(which)
        if packed is None:
            if len(self._packed) >= _LISTS_KEPT:
                self._packed.clear()
            keys = self._keys
            packed = self._packed[which] = Packed((keys.sender(sender), keys.ready(queue, priority)))
        return packed


class _Request:
    """Keys and arguments of one call of the script."""

    def __init__(self, keys: Keys, sender: str, number: int) -> None:
        self._names = keys
        name = keys.sender(sender)
        self.keys = [name]
        self._places = {name: 1}
        self.arguments: list[Argument] = [number, SENDER_KEPT_S, ONCE_KEPT_S]

    def add(self, message: Stored) -> None:
        names, queue, due = self._names, message.queue, message.due
        self.arguments += (
            self._key(names.ready(queue, message.priority)),
            0 if due is None else self._key(names.delayed(queue)),
            0 if due is None else round(due * 1000),
            0 if message.once is None else self._key(names.once(message.once)),
            message.max_length or 0,
            0 if message.max_length is None else self._keys_of(queue),
            message.priority,
            message.raw,
        )

    def _key(self, name: str) -> int:
        """Give the number of a key."""
        place = self._places.get(name)
        if place is None:
            self.keys.append(name)
            place = self._places[name] = len(self.keys)
        return place

    def _keys_of(self, queue: str) -> int:
        """Give the number of the first of a queue's ten lists, after which its delayed set comes."""
        mark = f"{queue}\0bound"
        if mark not in self._places:
            self._places[mark] = len(self.keys) + 1
            self.keys += [*self._names.lists(queue), self._names.delayed(queue)]
        return self._places[mark]
