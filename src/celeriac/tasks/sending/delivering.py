"""Delivering prepared messages: step by step, within a deadline, tried again on new connections."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from kombu import messaging
from kombu.exceptions import OperationalError

from celeriac.errors import QueueFull
from celeriac.tasks.sending.confirms import Refused
from celeriac.tasks.sending.prepared import Prepared
from celeriac.tasks.sending.steps import send_step

#: between two tries, at least; kombu's own policy begins with none, which makes a refusing server busy
_PAUSE_S = 0.05


class Trouble(Protocol):
    """What becomes of messages that the broker does not take."""

    def passes_by(self, messages: Sequence[Prepared]) -> bool:
        """Say whether these are taken care of without asking the broker, which was away a moment ago."""
        ...

    def give_up(
        self,
        error: Exception,
        *,
        sent: Sequence[Prepared],
        left: Sequence[Sequence[Prepared]],
        in_doubt: bool,
    ) -> None:
        """Take care of what was not sent, or raise.

        sent: what the broker has taken. left: the steps it has not, the first of them perhaps in doubt.
        """
        ...

    def refused(
        self, error: Exception, step: Sequence[Prepared], queue: str, *, sent: Sequence[Prepared]
    ) -> list[Prepared]:
        """Take care of what goes to a full queue and give the others, or raise."""
        ...


class DeliveringProducer(messaging.Producer):
    """The half of our producer that faces the broker: a channel of its own, kept for as long as it lives."""

    def __init__(
        self, connection: Any, deadline_s: float, trouble: Trouble, blocking: Collection[str]
    ) -> None:
        super().__init__(connection, auto_declare=True)
        self._deadline_s = deadline_s
        self._trouble = trouble
        self._blocking = blocking
        client = self.connection
        # A file is written, or it is not.
        self._can_be_in_doubt = client.get_transport_cls().driver_type != "sqlite"
        self._failures: tuple[type[Exception], ...] = (
            OperationalError,
            *client.recoverable_connection_errors,
            *client.recoverable_channel_errors,
        )

    def deliver(self, step: Sequence[Prepared]) -> None:
        """Send messages in one step, tried once."""
        self.deliver_steps([list(step)], False, {})

    def deliver_steps(self, waiting: list[list[Prepared]], retry: bool, policy: dict[str, Any]) -> None:
        """Send step by step; each step is taken whole, where the broker can."""
        trouble = self._trouble
        sent: list[Prepared] = []
        give_up_at, tries, in_doubt = 0.0, 0, False
        while waiting:
            step = waiting[0]
            if not in_doubt and trouble.passes_by(step):
                waiting.pop(0)
                continue
            began = time.monotonic()
            give_up_at = give_up_at or began + self._deadline_s
            is_sending = False
            try:
                channel = self.channel
                is_sending = True
                send_step(channel, step, self._declare)
            except Refused as refused:
                places = set(refused.places)
                sent += [each for place, each in enumerate(step) if place not in places]
                waiting[0] = [step[place] for place in refused.places]
                if self._blocks(waiting[0]) and time.monotonic() < give_up_at:
                    time.sleep(_PAUSE_S)
                    continue
                full = _said(refused, waiting[0][0].queue)
                waiting[0] = trouble.refused(full, waiting[0], "", sent=sent)
            except QueueFull as full:
                waiting[0] = trouble.refused(full, step, full.queue, sent=sent)
            except self._failures as error:
                tries += 1
                in_doubt = in_doubt or (is_sending and self._can_be_in_doubt)
                self._forget_channel()
                if not retry or self._is_over(tries, began, give_up_at, policy):
                    trouble.give_up(error, sent=sent, left=waiting, in_doubt=in_doubt)
                    return
                self.connection.maybe_switch_next()
                time.sleep(_pause_s(tries, policy))
                continue
            except Exception as error:
                if not sent:
                    raise
                trouble.give_up(error, sent=sent, left=waiting, in_doubt=in_doubt)
                return
            else:
                sent += step
                waiting[0] = []
            if not waiting[0]:
                waiting.pop(0)
                give_up_at, in_doubt = 0.0, False

    def _blocks(self, messages: Sequence[Prepared]) -> bool:
        # What follows from accepted work is never refused for want of room: it waits.
        return all(each.queue in self._blocking or each.headers.get("retries") for each in messages)

    def _is_over(self, tries: int, began: float, give_up_at: float, policy: dict[str, Any]) -> bool:
        most = policy.get("max_retries")
        if most is not None and tries > most:
            return True
        # A further try may take as long as the last one did.
        now = time.monotonic()
        return now + _pause_s(tries, policy) + (now - began) > give_up_at

    def _declare(self, channel: Any, entity: Any) -> None:
        declared = channel.connection.client.declared_entities
        if not (entity.can_cache_declaration and hash(entity) in declared):
            self.maybe_declare(entity)

    def _forget_channel(self) -> None:
        """Let go of a connection that has failed, without the farewell that a frozen broker would not answer."""
        connection = self.connection
        connection.collect(socket_timeout=0.1)
        self.revive(connection)


def _said(refused: Refused, queue: str) -> QueueFull:
    return QueueFull(
        "SEND-005",
        f'queue "{queue}" is full: the broker refused {len(refused.places)} messages. They were not sent.',
        queue=queue,
        fix="send again later, start more workers, or raise max_length",
    )


def _pause_s(tries: int, policy: dict[str, Any]) -> float:
    start, step, most = (
        policy.get(name, default)
        for name, default in (("interval_start", 0), ("interval_step", 0.2), ("interval_max", 1))
    )
    return max(min(start + step * (tries - 1), most), _PAUSE_S) * random.uniform(0.8, 1.0)  # noqa: S311
