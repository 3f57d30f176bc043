"""The settling of fetched messages: acked, given back, put off, set aside as letters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from celeriac.errors import BrokerUnavailable
from celeriac.events import emit
from celeriac.transports.payload import MalformedEnvelope, to_letter
from celeriac.transports.redis.declaring import SendingChannel
from celeriac.transports.redis.delivery import Delivery, Fetched, Held, mark_of, to_payload
from celeriac.transports.redis.envelope import encode
from celeriac.transports.redis.scripts import ACK, MOVE
from celeriac.transports.sending import Outgoing

if TYPE_CHECKING:
    from celeriac.transports.redis.lease import Lease


class SettlingChannel(SendingChannel):
    """Settles what was fetched under the lease; how it is fetched, `delivery.py` says.

    started: what is being run. marks: of messages that have gone back before, by delivery tag, until kombu has them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.marks: dict[str, str] = {}
        self.started: set[Held] = set()
        self._delivery = Delivery(self, self.connection.clock)

    @property
    def lease(self) -> Lease | None:
        """The process's lease, once something is consumed."""
        return self.connection.lease if self.connection is not None else None

    def mark_started(self, delivery_tag: str) -> None:
        """Say that this message is being run now: if this process dies, its delivery is counted."""
        self.qos.mark_started(delivery_tag)

    def held_of(self, delivery_tag: str) -> Held:
        number, consumer, queue = delivery_tag.split("-", 2)
        return Held(queue, int(number), consumer, self.marks.pop(delivery_tag, ""))

    def unsettled(self) -> list[Held]:
        """Everything that this channel knows to be its own."""
        return [*self.qos.unsettled, *(item.held for item in self._delivery.waiting)]

    def mark(self, held: Held) -> None:
        self.started.add(held)
        lease = self.lease
        # The first death of a worker counts for all that it had in hand, so only what has gone back is marked.
        if held.mark and lease is not None and held.consumer == lease.consumer:
            try:
                lease.line.post("SADD", self.keys.started(held.queue, held.consumer), held.number)
            except BrokerUnavailable as error:
                emit("broker", "broker.trouble", error=error.message)

    def unmark(self, held: Held) -> None:
        self.started.discard(held)

    def before_acks(self) -> None:
        self.connection.before_acks.flush()

    def remove(self, acked: Sequence[Held]) -> int:
        """Remove acked messages; say how many were still ours."""
        if self.lease is None:
            return 0
        kept = [held for held in acked if held.number]
        removed = len(acked) - len(kept)
        ordered = sorted(kept, key=lambda held: (held.queue, held.consumer))
        for (queue, consumer), group in groupby(ordered, key=lambda held: (held.queue, held.consumer)):
            helds = list(group)
            keys = [
                self.keys.held(queue, consumer),
                self.keys.started(queue, consumer),
                self.keys.returned(queue),
            ]
            for start in range(0, len(helds), 1000):
                some = helds[start : start + 1000]
                marks = [held.mark for held in some if held.mark]
                removed += self.lease.line.run(
                    ACK, keys, (len(some), *(held.number for held in some), *marks)
                )
        return removed

    def drop(self, held: Held) -> None:
        """Forget a message that is not to be delivered any more."""
        if held.number:
            self.remove([held])

    def give_back(self, helds: Sequence[Held]) -> None:
        self._delivery.return_held(helds, "0")

    def hand_back(self, held: Held) -> None:
        """Make a rejected message ready again; a started one with its delivery counted."""
        was_started = held in self.started
        self.started.discard(held)
        self._delivery.return_held([held], "1" if was_started else "0")
        self._delivery.look()

    def park(self, held: Held, due: float) -> None:
        """Put a message that came too early where it waits for its time."""
        self._move(held, self.keys.delayed(held.queue), round(due * 1000), b"")

    def set_aside(self, fetched: Fetched, why: str, reason: str = "malformed") -> None:
        """Turn a message that cannot be read, or must not be run, into a letter."""
        letters, now = self.connection.letters_queue, self.connection.clock.wall()
        held, letter = fetched.held, None
        if held.queue == letters and reason == "poison":
            # A letter has nowhere further to go: it waits for a recorder that lives.
            self._delivery.return_held([held], "-")
            return
        try:
            payload: dict[str, Any] | None = to_payload(fetched)
            body: Any = payload.pop("body") if payload else b""
        except MalformedEnvelope:
            # Whole and as octets, so that it can be read as a letter whatever is wrong with it.
            payload, body = None, fetched.raw
        whole, body, letter = to_letter(
            payload,
            body,
            named_after=mark_of(fetched.raw),
            reason=reason,
            why=why,
            queue=held.queue,
            deliveries=fetched.deliveries or 0,
            now=now,
        )
        message = {**whole, "body": body}
        tag = f"{round(now * 1000):x}.{letter[:8]}.0.0"
        raw = encode(message, whole["headers"], letters, tag, Outgoing(message, "", letters, None))
        self._move(held, self.keys.ready(letters, 0), "", raw)
        event = {"letter": letter} if reason == "poison" else {"queue": held.queue, "reason": why}
        emit("broker", "broker.poison" if reason == "poison" else "broker.set_aside", **event)

    def _move(self, held: Held, key: str, score: int | str, become: bytes) -> None:
        keys = [
            self.keys.held(held.queue, held.consumer),
            self.keys.started(held.queue, held.consumer),
            self.keys.returned(held.queue),
            key,
        ]
        assert self.lease is not None  # it was fetched under one
        self.lease.line.run(MOVE, keys, (held.number, held.mark, score, become, 0 if held.number else 1))
