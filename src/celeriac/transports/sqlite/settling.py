"""The settling of fetched messages: acked, given back, set aside as letters; those of dead neighbours too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celeriac.events import emit
from celeriac.transports.payload import MalformedEnvelope
from celeriac.transports.sqlite import consumers, doorbell, messages
from celeriac.transports.sqlite.declaring import SendingChannel
from celeriac.transports.sqlite.delivery import Fetched
from celeriac.transports.sqlite.envelope import to_payload
from celeriac.transports.sqlite.page import Guard

if TYPE_CHECKING:
    from celeriac.transports.sqlite.lease import Lease


class SettlingChannel(SendingChannel):
    """Settles what was fetched under the lease; how it is fetched, `delivery.py` says."""

    @property
    def lease(self) -> Lease | None:
        """The process's lease, once something is consumed."""
        return self.connection.lease if self.connection is not None else None

    def mark_started(self, delivery_tag: str) -> None:
        """Say that this message is being run now: if this process dies, its delivery is counted."""
        self.qos.mark_started(delivery_tag)

    def held_of(self, delivery_tag: str) -> tuple[int, int]:
        owner, number = delivery_tag.split("-")
        return int(owner), int(number)

    def mark(self, held: tuple[int, int]) -> None:
        if self.lease is not None and held[0] == self.lease.number:
            self.lease.page.mark(held[1])

    def unmark(self, held: tuple[int, int]) -> None:
        if self.lease is not None:
            self.lease.page.clear(held[1])

    def before_acks(self) -> None:
        self.connection.before_acks.flush()

    def remove(self, acked: list[tuple[int, int]]) -> int:
        """Remove acked messages; say how many were still ours."""
        with self.store.writing() as db:
            return messages.ack(db, acked)

    def give_back(self, held: list[tuple[int, int]]) -> None:
        with self.store.writing() as db:
            messages.give_back(db, held, redelivered=True)

    def hand_back(self, held: tuple[int, int]) -> None:
        """Make a rejected message ready again; a started one with its delivery counted, as a letter if too often."""
        owner, number = held
        rule, lease = self.connection.letter_rule, self.lease
        with self.store.writing() as db:
            queue = messages.queue_of(db, number)
            letter = None
            if lease is not None and number in lease.page:
                letter = messages.count_death(db, owner, number, rule, self.connection.clock.wall())
            else:
                messages.give_back(db, (held,), redelivered=True)
        if lease is not None:
            lease.page.clear(number)
        if letter is not None:
            emit("broker", "broker.poison", letter=letter)
        doorbell.ring(self.store.location.folder, {queue or rule.queue, rule.queue})

    def set_aside(self, fetched: Fetched, why: str) -> None:
        """Turn a message that cannot be read into a letter."""
        stored = fetched[1]
        rule = self.connection.letter_rule
        with self.store.writing(synced=True) as db:
            messages.set_aside(db, stored, rule, "malformed", why, self.connection.clock.wall())
        emit("broker", "broker.set_aside", queue=stored.queue, reason=why)
        doorbell.ring(self.store.location.folder, (rule.queue,))

    # Settling for consumers of other processes on this host.

    @property
    def consumer_id(self) -> str:
        """Name this process's consumer to whoever may have to settle for it; "" before it consumes."""
        return str(self.lease.number) if self.lease is not None else ""

    def guard(self) -> Guard | None:
        """See to it that only whoever has this guard, too, settles what our consumer leaves when it dies."""
        return Guard(self.store.location.folder, self.lease.number) if self.lease is not None else None

    def inherit(self, consumer: str, running: str) -> tuple[Any, list[Any]]:
        """Take over what a dead consumer held; what cannot be read is set aside.

        running: the delivery tag, at that consumer, of what it was running; "" if nothing.
        Returns: messages of this channel, to be acked or rejected here: the one that was running, None if it is
            settled, and the others, oldest first.
        """
        heir = self.connection.take_lease().number
        with self.store.writing() as db:
            held = consumers.inherit(db, heir, int(consumer), self.connection.clock.wall())
        (self.store.location.folder / f"{consumer}.page").unlink(missing_ok=True)
        ran, others = None, []
        for stored in held:
            tag = f"{heir}-{stored.id}"
            try:
                message = self.Message(to_payload(stored, tag), channel=self)
            except MalformedEnvelope as malformed:
                self.set_aside((heir, stored), str(malformed))
                continue
            self.qos.append(message, tag)
            if running == f"{consumer}-{stored.id}":
                ran = message
            else:
                others.append(message)
        return ran, others

    def bury(self, consumer: str) -> None:
        """Nothing: with what it held, it has gone."""
