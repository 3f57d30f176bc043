"""The sending half of a Redis channel: queues declared and messages sent, in kombu's own layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kombu.transport import redis as stock

from celeriac.errors import BrokerUnavailable
from celeriac.transports.redis.keys import PRIORITIES, Keys
from celeriac.transports.redis.line import Line
from celeriac.transports.redis.scripts import DECLARE
from celeriac.transports.redis.sending import Bound, Sender
from celeriac.transports.redis.storing import Storing
from celeriac.transports.redis.trouble import one_try
from celeriac.transports.sending import Batch, Outgoing, unroutable

#: how long the server may take to accept a connection, and to answer; seconds
DEADLINE_S = 5.0


class SendingChannel(stock.Channel):
    """Declares as kombu does, and sends by script, over one connection of its own."""

    supports_batch_publish = True
    priority_steps = PRIORITIES
    socket_timeout = DEADLINE_S
    socket_connect_timeout = DEADLINE_S
    socket_keepalive = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys = Keys(self.global_keyprefix, self.sep)
        self._sending_line = Line(self.pool, self.connection.at)
        self._sender = Sender(
            Storing(self._sending_line, self.keys),
            self.connection.clock,
            self._route,
            self._bound_of,
            self._step_of,
            self.connection.room_patience_s,
        )
        self._declared: set[str] = set()
        self._ttls_s: dict[str, float] = {}

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # The older protocol: in the newer one, redis-py reads what the bell is told as replies.
        parameters = {**super()._connparams(asynchronous), "protocol": 2}
        if self.connection.is_for_sending:
            # redis-py's own tries to connect take half a minute; a sender counts its time.
            parameters["retry"] = one_try()
        return parameters

    def make_pool(self) -> Any:
        return self._get_pool()

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

    def message_ttl_s(self, queue: str) -> float | None:
        return self._ttls_s.get(queue)

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
