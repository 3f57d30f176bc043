"""The kombu channel of the Redis broker: declares and fans out as kombu's own, sends, leases and settles by scripts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from kombu.transport import redis as stock

from celeriac.errors import BrokerUnavailable
from celeriac.events import emit
from celeriac.transports.holding import Holding
from celeriac.transports.payload import MalformedEnvelope, to_letter
from celeriac.transports.redis.delivery import Delivery, Fetched, Held, mark_of, to_payload
from celeriac.transports.redis.ear import Ear
from celeriac.transports.redis.keys import PRIORITIES, Keys
from celeriac.transports.redis.line import Line
from celeriac.transports.redis.scripts import ACK, DECLARE, MOVE
from celeriac.transports.redis.sending import Bound, Sender, encode
from celeriac.transports.sending import Batch, Outgoing, unroutable

if TYPE_CHECKING:
    from celeriac.transports.redis.lease import Lease

#: how long the server may take to accept a connection, and to answer; seconds
DEADLINE_S = 5.0
#: how often queues that expire are kept from expiring, seconds
_REFRESH_S = 2.0


class LeasingChannel(stock.Channel):
    """What our channels have in common; they differ in how they find the server.

    Beyond AMQP they have `mark_started(delivery_tag)`: this message is being run now (see docs/design/0001);
    `settles_anywhere`: any thread may ack and reject, at any time; `keeps_once`: the header `celeriac-once` is kept.
    """

    settles_anywhere = True
    keeps_once = True
    QoS = Holding
    supports_batch_publish = True
    priority_steps = PRIORITIES
    socket_timeout = DEADLINE_S
    socket_connect_timeout = DEADLINE_S
    socket_keepalive = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys = Keys(self.global_keyprefix, self.sep)
        self.marks: dict[str, str] = {}
        self._sending_line = Line(self.pool, self.connection.at)
        self._sender = Sender(
            self._sending_line, self.keys, self.connection.clock, self._route, self._bound_of, self._step_of
        )
        self._delivery = Delivery(self, self.connection.clock)
        self.started: set[Held] = set()
        self._unacked_only: set[str] = set()
        self._refreshed_at = 0.0
        self._declared: set[str] = set()
        self._ttls_s: dict[str, float] = {}
        self.ear = Ear(self)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # The older protocol: in the newer one, redis-py reads what the bell is told as replies.
        return {**super()._connparams(asynchronous), "protocol": 2}

    def make_pool(self) -> Any:
        return self._get_pool()

    @property
    def lease(self) -> Lease | None:
        """The process's lease, once something is consumed."""
        return self.connection.lease if self.connection is not None else None

    # Declaring.

    def _new_queue(self, queue: str, auto_delete: bool = False, **kwargs: Any) -> None:
        super()._new_queue(queue, auto_delete=auto_delete, **kwargs)
        arguments = kwargs.get("arguments") or {}
        if isinstance(arguments.get("x-message-ttl"), int | float):
            self._ttls_s[queue] = arguments["x-message-ttl"] / 1000
        if isinstance(arguments.get("x-max-length"), int):
            self.connection.queue_bounds.setdefault(
                queue, {"max_length": arguments["x-max-length"], "when_full": "reject"}
            )
        if not auto_delete and queue not in self._expires and queue not in self._declared:
            self._sending_line.run(DECLARE, [self.keys.queues], (queue,))
            self._declared.add(queue)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        keys = self.keys
        return any(
            self._sending_line.call_all(
                (
                    ("SISMEMBER", keys.queues, queue),
                    ("EXISTS", *keys.lists(queue), keys.delayed(queue), keys.leases(queue)),
                )
            )
        )

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        keys = self.keys
        if if_unused and self._sending_line.call("EXISTS", keys.leases(queue)):
            return
        if if_empty and self._size(queue):
            return
        super().queue_delete(queue, **kwargs)
        readers = self._sending_line.call("ZRANGE", keys.leases(queue), 0, -1)
        gone = [
            *keys.lists(queue),
            keys.delayed(queue),
            keys.leases(queue),
            keys.returned(queue),
            keys.number(queue),
        ]
        for consumer in readers:
            gone += [keys.held(queue, consumer.decode()), keys.started(queue, consumer.decode())]
        self._sending_line.call_all((("DEL", *gone), ("SREM", keys.queues, queue)))
        self._declared.discard(queue)

    def _size(self, queue: str) -> int:
        sizes = self._sending_line.call_all(
            (*(("LLEN", each) for each in self.keys.lists(queue)), ("ZCARD", self.keys.delayed(queue)))
        )
        return sum(sizes)

    def _purge(self, queue: str) -> int:
        lists, delayed = self.keys.lists(queue), self.keys.delayed(queue)
        *sizes, _ = self._sending_line.call_all(
            (
                ("MULTI",),
                *(("LLEN", each) for each in lists),
                ("ZCARD", delayed),
                ("DEL", *lists, delayed),
                ("EXEC",),
            )
        )[-1]
        return sum(sizes)

    # Sending.

    def basic_publish(
        self, message: Mapping[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        if self.connection is None:
            # kombu's own retry of a declaration closes the channel that its publish holds; a new one is what it needs.
            raise BrokerUnavailable("BROKER-036", "the channel is closed.", fix="send by a new one")
        if exchange and self.typeof(exchange).type == "fanout":
            super().basic_publish(message, exchange, routing_key, **kwargs)
        else:
            self._sender.send((self.outgoing(message, exchange, routing_key),))

    def outgoing(self, message: Mapping[str, Any], exchange: str, routing_key: str) -> Outgoing:
        return Outgoing(message, exchange or "", routing_key or "", None)

    def create_publish_batch(self, max_size: int) -> Batch:
        return Batch(self, self._sender, max_size)

    def _route(self, outgoing: Outgoing) -> Sequence[str]:
        exchange, routing_key = outgoing.exchange, outgoing.routing_key
        if not exchange:
            return (routing_key,)
        kind = self.typeof(exchange).type
        if kind == "fanout":
            super().basic_publish(outgoing.message, exchange, routing_key)
            return ()
        queues = self._lookup(exchange, routing_key)
        if not queues and kind == "direct":
            queues = self._bind_again(exchange, routing_key)
        if not queues and kind == "direct":
            raise unroutable(
                exchange, routing_key, [(key, queue) for key, _, queue in self.get_table(exchange)]
            )
        return list(dict.fromkeys(queues))

    def _bind_again(self, exchange: str, routing_key: str) -> list[str]:
        """Bring back bindings of ours that the server has lost; give the queues of this one."""
        found = [
            binding.queue
            for binding in self.state.bindings
            if (binding.exchange, binding.routing_key) == (exchange, routing_key)
        ]
        for queue in found:
            self._queue_bind(
                exchange, *self.typeof(exchange).prepare_bind(queue, exchange, routing_key, None)
            )
        return found

    def _bound_of(self, queue: str) -> Bound | None:
        bounds = self.connection.queue_bounds.get(queue)
        if not bounds or not bounds.get("max_length"):
            return None
        return Bound(bounds["max_length"], bounds.get("when_full", "block"))

    def _step_of(self, priority: int) -> int:
        return int(self.priority(priority))

    # Consuming.

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[..., Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        if queue in self.active_fanout_queues:
            self.connection.take_lease(self).hear(queue)
            self.ear.listen()
            return
        if no_ack:
            self._unacked_only.add(queue)
        self.connection.take_lease(self).read(queue)
        self._delivery.look()

    def basic_cancel(self, consumer_tag: str) -> None:
        queue = self._tag_to_queue.get(consumer_tag)
        is_fanout = queue in self.active_fanout_queues
        self._basic_cancel(consumer_tag)
        if queue is None or queue in self._active_queues:
            return
        if not is_fanout:
            self._delivery.give_back_all()
            self.qos.write_acks()
            self._unacked_only.discard(queue)
            # What still runs stays ours until it is settled, or the channel closes.
            is_done = not (self.connection.is_read(queue) or self._holds_of(queue))
            if self.lease is not None and is_done:
                self.lease.stop_reading(queue)
        if queue in self.auto_delete_queues:
            self.queue_delete(queue)

    def _holds_of(self, queue: str) -> bool:
        return any(held.queue == queue for held in self.unsettled())

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        lease = self.connection.take_lease(self)
        if not no_ack:
            lease.read(queue)
        while fetched := self._delivery.fetch([] if no_ack else [queue], [queue] if no_ack else [], 1):
            try:
                payload = self._delivery._payload(fetched[0])
            except MalformedEnvelope as malformed:
                self.set_aside(fetched[0], str(malformed))
                continue
            if payload is None:
                continue
            message = self.Message(payload, channel=self)
            if not no_ack:
                self.qos.append(message, message.delivery_tag)
            return message
        return None

    def reads(self) -> tuple[list[str], list[str]]:
        """Name the queues read with acks, in order of preference, and those read without."""
        queues = self.active_queues
        return (
            [queue for queue in queues if queue not in self._unacked_only],
            [queue for queue in queues if queue in self._unacked_only],
        )

    def is_unacked_only(self) -> bool:
        return bool(self._unacked_only) and self._unacked_only.issuperset(self.active_queues)

    def deliver(self) -> int:
        """Deliver what can be delivered now; say how many messages."""
        delivered = self.ear.hear() if self.active_fanout_queues else 0
        if any(queue not in self.active_fanout_queues for queue in self._active_queues):
            delivered += self._delivery.turn()
        return delivered

    def look(self) -> None:
        self._delivery.look()

    def is_in_turn(self) -> bool:
        """Say whether the calling thread comes round to `deliver` by itself, which writes the acks."""
        return self._delivery.is_running or (
            self.connection is not None and self.connection.loop_thread == threading.get_ident()
        )

    def wake(self) -> None:
        """Let the loop come round to this channel at once."""
        if self.lease is not None:
            self.lease.waker.ring()

    @property
    def next_due(self) -> float | None:
        return self._delivery.next_due

    @property
    def look_every_s(self) -> float:
        return self._delivery.look_every_s

    def tend(self) -> None:
        """What the keeper's thread does for this channel, four times a second."""
        self._delivery.give_back_hoard()
        if self._qos is not None:
            self._qos.write_acks()
        if time.monotonic() - self._refreshed_at > _REFRESH_S:
            self._refreshed_at = time.monotonic()
            self._stay()

    def _stay(self) -> None:
        """Keep queues that are deleted when nobody uses them."""
        for queue in self.active_queues:
            if queue in self._expires:
                self._sending_line.call_all(
                    [("PEXPIRE", each, self._expires[queue]) for each in self.keys.lists(queue)]
                )
        self.maybe_refresh_binding_expiry()

    def message_ttl_s(self, queue: str) -> float | None:
        return self._ttls_s.get(queue)

    # Settling.

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

    def close(self) -> None:
        """Cancel the consumers, write the acks, give back what is held."""
        if not self.closed:
            try:
                self._delivery.give_back_all()
                for consumer in list(self._consumers):
                    self.basic_cancel(consumer)
                if self._qos is not None:
                    self._qos.restore_unacked_once()
            except BrokerUnavailable as error:
                # The lease ends by itself, and others find what was held by that.
                emit("broker", "broker.trouble", error=error.message)
            self.ear.close()
            self._sending_line.hang_up()
            super().close()


class Channel(LeasingChannel):
    """A channel to one server: redis://, rediss://, redis+socket://."""


class SentinelChannel(LeasingChannel, stock.SentinelChannel):
    """A channel to the server that the Sentinels name as master: sentinel://."""
