"""What one channel fetches from the server, and how it gives back."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from celeriac.errors import BrokerError
from celeriac.transports import delivery
from celeriac.transports.delivery import BATCH_MAX
from celeriac.transports.payload import MalformedEnvelope, decode, due_at
from celeriac.transports.redis.bell import LOOK_EVERY_S
from celeriac.transports.redis.envelope import expires_at
from celeriac.transports.redis.lease import MARKS_KEPT_S
from celeriac.transports.redis.line import Ahead, Argument, Packed
from celeriac.transports.redis.scripts import FETCH, GIVE_BACK

#: acks that travel with one fetch, at most: Lua takes only so many arguments at once
ACKS_MAX = 1000


class Held(NamedTuple):
    """A message that is ours until it is settled.

    number: 0 if it was read without acks. consumer: the id it was fetched under.
    mark: the SHA-1 it is marked by on the server, empty if it has never gone back.
    """

    queue: str
    number: int
    consumer: str
    mark: str = ""


class Fetched(NamedTuple):
    """A message as the server gave it.

    deliveries: earlier deliveries that ended with the worker's death; None if it has never gone back.
    """

    held: Held
    priority: int
    deliveries: int | None
    raw: bytes


class Delivery(delivery.Delivery[Fetched]):
    """One channel's way from ready lists to its consumers' callbacks."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._packed: dict[tuple[str, ...], tuple[Packed, Ahead]] = {}
        self._is_in_doubt = False
        self._has_taken = False

    @property
    def look_every_s(self) -> float:
        lease = self._channel.lease
        return super().look_every_s if lease is None or lease.bell.rings else LOOK_EVERY_S

    def _queue(self, item: Fetched) -> str:
        return item.held.queue

    def _is_held(self, item: Fetched) -> bool:
        return item.held.number > 0

    def _payload(self, item: Fetched) -> dict[str, Any] | None:
        payload = to_payload(item)
        wall, held = self._clock.wall(), item.held
        ttl_s = self._channel.message_ttl_s(held.queue)
        expires = expires_at(payload["headers"], payload["properties"], ttl_s)
        if expires is not None and expires <= wall:
            self._channel.drop(held)
            return None
        if held.number and (due := due_at(payload["headers"], wall)) is not None:
            # A stock producer has sent it; it waits where it does not fill a worker.
            self._channel.park(held, due)
            return None
        if (item.deliveries or 0) >= self._channel.connection.letters_after:
            self._channel.set_aside(
                item, f"its worker died {item.deliveries} times while running it", "poison"
            )
            return None
        tag = f"{held.number}-{held.consumer}-{held.queue}"
        if held.mark:
            self._channel.marks[tag] = held.mark
        properties = payload["properties"]
        properties["delivery_tag"] = tag
        properties["delivery_info"] = {
            "exchange": "",
            "routing_key": held.queue,
            "priority": item.priority,
            "redelivered": item.deliveries is not None,
            "deliveries": item.deliveries or 0,
        }
        return payload

    def _find(self, wall: float) -> Sequence[Fetched]:
        if not self._channel.lease.reaches_server:
            # Its keeper tries on. A loop that waited for the server would do nothing else meanwhile.
            return ()
        acking, unacked_only = self._channel.reads()
        if self._has_taken:
            # It has rung for that, and would ring again for nothing: whatever else it rang for is looked at now.
            self._channel.lease.bell.silence()
        return self.fetch(acking, unacked_only, self._room(), arms=True)

    def fetch(
        self, acking: list[str], unacked_only: list[str], room: int, *, arms: bool = False
    ) -> list[Fetched]:
        """Fetch up to `room` messages of these queues, writing the acks that wait.

        arms: the bell is to ring for what comes from now on.
        Raises: BrokerUnavailable, BrokerError; then what was fetched all the same goes back before the next.
        """
        channel, lease = self._channel, self._channel.lease
        consumer = lease.consumer
        queues = (*acking, *unacked_only)
        if self._is_in_doubt:
            self._settle_doubt(consumer, acking)
        acked = channel.qos.drain_acked()
        carried = [held for held in acked[:ACKS_MAX] if held.consumer == consumer and held.queue in acking]
        channel.qos.put_back(acked[ACKS_MAX:])
        if len(carried) < len(acked[:ACKS_MAX]):
            self._write_apart([held for held in acked[:ACKS_MAX] if held not in carried], carried)
        arguments: list[Argument] = [consumer, room, BATCH_MAX if unacked_only and room >= 0 else 0]
        for queue in queues:
            mine = [held for held in carried if held.queue == queue] if carried else ()
            marks = [held.mark for held in mine if held.mark]
            arguments += [
                int(queue in acking),
                len(mine),
                *(held.number for held in mine),
                len(marks),
                *marks,
            ]
        keys, ahead = self._keys(queues, consumer)
        try:
            removed, ours, due, runs, bodies, notes = lease.line.run(
                FETCH, keys, arguments, ahead if arms else None
            )
        except BrokerError:
            channel.qos.put_back(carried)
            channel.qos.in_doubt = self._is_in_doubt = True
            raise
        channel.qos.tell_refused(len(carried) - removed)
        self.next_due = float(due) / 1000 if due else None
        if not ours:
            lease.lapsed(consumer)
        self._has_taken = bool(runs)
        return list(_read(queues, acking, consumer, runs, bodies, notes)) if runs else []

    def _keys(self, queues: tuple[str, ...], consumer: str) -> tuple[Packed, Ahead]:
        """Give the keys of these queues as the script takes them, and what arms the bell for them."""
        key = (*queues, consumer)
        packed = self._packed.get(key)
        if packed is None:
            keys = self._channel.keys
            watched = [name for queue in queues for name in (*keys.lists(queue), keys.delayed(queue))]
            self._packed.clear()
            packed = self._packed[key] = (
                Packed([name for queue in queues for name in keys.of_queue(queue, consumer)]),
                self._channel.lease.bell.arming(watched),
            )
        return packed

    def _write_apart(self, apart: list[Held], carried: list[Held]) -> None:
        """Write acks that cannot travel with this fetch: of a queue no longer read, or under an earlier id."""
        try:
            removed = self._channel.remove(apart)
        except BrokerError:
            self._channel.qos.put_back([*apart, *carried])
            self._channel.qos.in_doubt = True
            raise
        self._channel.qos.tell_refused(len(apart) - removed)

    def _settle_doubt(self, consumer: str, queues: Iterable[str]) -> None:
        """Give back what a fetch without an answer has moved to us, and nobody here knows of."""
        known = {(held.queue, held.number) for held in self._channel.unsettled()}
        lost = [
            Held(queue, number, consumer)
            for queue in queues
            for number in map(
                int, self._channel.lease.line.call("HKEYS", self._channel.keys.held(queue, consumer))
            )
            if (queue, number) not in known
        ]
        self.return_held(lost, "-")
        self._is_in_doubt = False

    def _return(self, items: Sequence[Fetched]) -> None:
        self.return_held([item.held for item in items], "-")

    def of_other(self, queue: str, consumer: str) -> list[Fetched]:
        """Read what another consumer holds of a queue, oldest first; it stays that consumer's."""
        line, keys = self._channel.lease.line, self._channel.keys
        pairs = line.call("HGETALL", keys.held(queue, consumer))
        found = []
        for number, parked in sorted(
            zip(pairs[::2], pairs[1::2], strict=True), key=lambda pair: int(pair[0])
        ):
            raw = parked[1:]
            count = line.call("HGET", keys.returned(queue), mark_of(raw))
            held = Held(queue, int(number), consumer, "" if count is None else mark_of(raw))
            found.append(Fetched(held, int(parked[:1]), None if count is None else int(count), raw))
        return found

    def return_held(self, helds: Sequence[Held], mark: str) -> int:
        """Make held messages ready again, in their old places; say how many were still ours.

        mark: "-" as if nothing had been, "0" as redelivered, "1" with a death counted.
        """
        given = 0
        line, keys = self._channel.lease.line, self._channel.keys
        ordered = sorted(helds, key=lambda held: (held.queue, held.consumer, -held.number))
        for (queue, consumer), group in groupby(ordered, key=lambda held: (held.queue, held.consumer)):
            numbers = [held.number for held in group]
            given += line.run(GIVE_BACK, keys.of_queue(queue, consumer), (mark, MARKS_KEPT_S, *numbers))
        return given


def to_payload(item: Fetched) -> dict[str, Any]:
    """Read a message of a list, its body decoded.

    Raises: MalformedEnvelope.
    """
    payload = decode(item.raw)
    encoding = payload["properties"].pop("body_encoding", None)
    body = payload.get("body")
    if not isinstance(body, str | None):
        raise MalformedEnvelope(f"the body is {type(body).__name__}, not text")
    if encoding == "base64" and body:
        try:
            payload["body"] = _from_base64(body)
        except (binascii.Error, ValueError) as error:
            raise MalformedEnvelope(f"the body is not base64: {error}") from error
    elif encoding not in (None, "base64", "utf-8"):
        raise MalformedEnvelope(f"the body is encoded by {str(encoding)[:40]!r}")
    else:
        payload["body"] = body or ""
    return payload


def _from_base64(body: str) -> bytes:
    try:
        return msgspec.convert(body, bytes)  # in a third of the time
    except msgspec.ValidationError:
        return b64decode(body, validate=True)  # which has its own idea of what may follow the padding


def _read(
    queues: Sequence[str],
    acking: Sequence[str],
    consumer: str,
    runs: bytes,
    bodies: list[bytes],
    notes: bytes,
) -> Iterable[Fetched]:
    """Take the script's reply apart; its runs and notes are explained there."""
    counts: dict[int, int] = {}
    for note in notes.split():
        noted, count = note.split(b":")
        counts[int(noted)] = int(count)
    rest = iter(bodies)
    messages = b""
    place = start = 0
    for run in runs.split(b";"):
        which, priority, number, *lengths = map(int, run.split())
        queue = queues[which]
        is_acked = queue in acking
        for length in lengths:
            while start == len(messages) and length:
                messages, start = next(rest), 0
            raw = messages[start : start + length]
            start += length
            deliveries = counts.get(place)
            mark = "" if deliveries is None else mark_of(raw)
            yield Fetched(Held(queue, number if is_acked else 0, consumer, mark), priority, deliveries, raw)
            number += 1
            place += 1


def mark_of(raw: bytes) -> str:
    """Name a message by what it is, as the scripts do."""
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()
