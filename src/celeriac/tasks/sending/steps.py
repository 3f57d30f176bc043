"""How a batch is cut, and how one step of it is given to a broker: a script, a transaction, or confirms together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from celeriac.tasks.sending.confirms import publish_confirmed, publish_routed
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
        _send_one(channel, step[0], declare)
        return
    for entity in {id(each): each for message in step for each in message.declare}.values():
        if hasattr(channel, "confirm_select"):
            # Not from memory: what somebody has deleted since would swallow the step.
            entity(channel).declare()
        else:
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


def _send_one(channel: Any, message: Prepared, declare: Callable[[Any, Any], None]) -> None:
    for entity in message.declare:
        declare(channel, entity)
    if hasattr(channel, "confirm_select") and not message.exchange:
        publish_routed(channel, _as_channel_has_it(channel, message), _way(message), message.declare)
    else:
        channel.basic_publish(_as_channel_has_it(channel, message), **_way(message))


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
