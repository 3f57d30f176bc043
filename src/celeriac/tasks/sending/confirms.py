"""Many messages to RabbitMQ, confirmed together: the round trips are shared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amqp.exceptions import MessageNacked, RecoverableConnectionError  # type: ignore[import-untyped]


class Refused(Exception):
    """The broker refused some messages of a step and took the others. places: of the refused ones, in the step."""

    def __init__(self, places: Sequence[int], why: str) -> None:
        super().__init__(why)
        self.places = tuple(places)


def publish_routed(channel: Any, message: Any, arguments: Mapping[str, Any], declare: Sequence[Any]) -> None:
    """Publish a message straight to a queue, which is made again if somebody has deleted it.

    declare: what makes the queue.
    Raises: Refused; RecoverableConnectionError if there is no such queue, and nothing that makes it.
    """
    returned: list[Any] = []

    def on_return(*told: Any) -> None:
        returned.append(told)

    channel.events["basic_return"].add(on_return)
    try:
        _publish_one(channel, message, arguments)
        if returned:
            returned.clear()
            for entity in declare:
                entity(channel).declare()
            _publish_one(channel, message, arguments)
    finally:
        channel.events["basic_return"].discard(on_return)
    if returned:
        raise RecoverableConnectionError(f'there is no queue "{arguments["routing_key"]}"')


def _publish_one(channel: Any, message: Any, arguments: Mapping[str, Any]) -> None:
    try:
        channel.basic_publish(message, **{**arguments, "mandatory": True})
    except MessageNacked as nacked:
        raise Refused((0,), "the queue is full, or refuses") from nacked


def publish_confirmed(channel: Any, messages: Sequence[tuple[Any, Mapping[str, Any]]]) -> None:
    """Publish messages, each with what `basic_publish` takes, and wait until the broker has answered for each.

    A channel of its own, where the broker numbers them from 1.
    Raises: Refused, if a queue was full that rejects; what the connection raises, and then nothing is known of them.
    """
    connection = channel.connection
    own = connection.channel()
    answered: set[int] = set()
    refused: set[int] = set()

    def take(into: set[int]) -> Callable[[int, bool], None]:
        def on_answer(tag: int, multiple: bool) -> None:
            tags = {each for each in range(1, tag + 1) if each not in answered} if multiple else {tag}
            answered.update(tags)
            into.update(tags)

        return on_answer

    on_ack, on_nack = take(set()), take(refused)
    own.events["basic_ack"].add(on_ack)
    own.events["basic_nack"].add(on_nack)
    own.confirm_select()
    for message, arguments in messages:
        # The class's own method sends and goes on; the channel's would wait for each.
        type(own).basic_publish(own, message, **arguments)
    patience_s = connection.read_timeout
    give_up_at = None if patience_s is None else time.monotonic() + patience_s
    while len(answered) < len(messages):
        if give_up_at is not None and time.monotonic() > give_up_at:
            raise RecoverableConnectionError("the broker does not confirm what it was sent")
        connection.drain_events(timeout=patience_s)
    own.close()
    if refused:
        raise Refused(sorted(tag - 1 for tag in refused), "the queue is full, or refuses")
