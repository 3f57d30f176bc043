"""How a batch is cut, and how one step of it is given to a broker: a script, a transaction, or confirms together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amqp.exceptions import MessageNacked  # type: ignore[import-untyped]

from celeriac.tasks.sending.confirms import Refused, publish_confirmed
from celeriac.tasks.sending.prepared import Prepared

#: of one step: it is a moment in which the server does nothing else
STEP_MESSAGES = 1000
STEP_BYTES = 4 * 1024 * 1024


def steps(messages: Iterable[Prepared]) -> list[list[Prepared]]:
    """Cut messages into steps, in their order; one that is larger than a step goes alone."""
    cut: list[list[Prepared]] = []
    room_bytes = 0
    for each in messages:
        size = each.size_bytes
        if not cut or len(cut[-1]) >= STEP_MESSAGES or size > room_bytes:
            cut.append([])
            room_bytes = STEP_BYTES
        cut[-1].append(each)
        room_bytes -= size
    return cut


def send_step(channel: Any, step: Sequence[Prepared], declare: Callable[[Any, Any], None]) -> None:
    """Send one step by a channel: whole or not at all on brokers of ours.

    declare: makes an entity known to the broker, once.
    Raises: Refused, where the broker took some and not others; what the channel raises.
    """
    if len(step) == 1:
        message = step[0]
        for entity in message.declare:
            declare(channel, entity)
        try:
            channel.basic_publish(_as_channel_has_it(channel, message), **_way(message))
        except MessageNacked as nacked:
            raise Refused((0,), "the queue is full, or refuses") from nacked
        return
    for entity in {id(each): each for message in step for each in message.declare}.values():
        declare(channel, entity)
    whole = [(_as_channel_has_it(channel, message), _way(message)) for message in step]
    if hasattr(channel, "confirm_select"):
        if channel.connection.confirm_publish:
            publish_confirmed(channel, whole)
            return
    elif hasattr(channel, "create_publish_batch") and channel.supports_batch_publish:
        batch = channel.create_publish_batch(max_size=len(step) + 1)
        try:
            for message, way in whole:
                batch.publish(message, **way)
            batch.flush()
        finally:
            batch.close()
        return
    for message, way in whole:
        channel.basic_publish(message, **way)


def _way(message: Prepared) -> dict[str, Any]:
    return {"exchange": message.exchange, "routing_key": message.routing_key, **message.arguments}


def _as_channel_has_it(channel: Any, message: Prepared) -> Any:
    return channel.prepare_message(
        message.body,
        message.priority,
        message.content_type,
        message.content_encoding,
        message.headers,
        message.properties,
    )
