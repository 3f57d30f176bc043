"""What one channel of the embedded broker fetches, and how it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celeriac.transports import delivery
from celeriac.transports.delivery import BATCH_MAX
from celeriac.transports.sqlite import doorbell, messages
from celeriac.transports.sqlite.envelope import Stored, to_payload

#: the consumer number it was fetched under (0: without acks), and the row
Fetched = tuple[int, Stored]


class Delivery(delivery.Delivery[Fetched]):
    """One channel's way from ready rows to its consumers' callbacks."""

    def _payload(self, item: Fetched) -> dict[str, Any]:
        owner, stored = item
        return to_payload(stored, f"{owner}-{stored.id}")

    def _queue(self, item: Fetched) -> str:
        return item[1].queue

    def _is_held(self, item: Fetched) -> bool:
        return bool(item[0])

    def _find(self, wall: float) -> Sequence[Fetched]:
        acking, unacked_only = self._channel.reads()
        with self._channel.store.reading() as db:
            if not messages.any_ready(db, acking + unacked_only, wall):
                self.next_due = messages.next_due(db, acking + unacked_only)
                return ()
        return self._fetch(acking, unacked_only, wall)

    def _fetch(self, acking: list[str], unacked_only: list[str], wall: float) -> Sequence[Fetched]:
        channel, lease = self._channel, self._channel.lease
        assert lease is not None  # basic_consume took it
        number, room = lease.number, self._room()
        acked = channel.qos.drain_acked()
        try:
            with channel.store.writing() as db:
                removed = messages.ack(db, acked)
                messages.ripen(db, wall)
                taken = messages.take(db, unacked_only, BATCH_MAX, wall) if unacked_only else []
                fetched: list[Stored] = []
                is_ours = messages.lease_holds(db, number)
                if is_ours and room and acking:
                    fetched = messages.fetch(db, number, acking, room, wall)
        except BaseException:
            channel.qos.put_back(acked)
            raise
        channel.qos.tell_refused(len(acked) - removed)
        if not is_ours:
            lease.lapsed(number)
        return [*((0, stored) for stored in taken), *((number, stored) for stored in fetched)]

    def _return(self, items: Sequence[Fetched]) -> None:
        with self._channel.store.writing() as db:
            messages.give_back(db, ((owner, stored.id) for owner, stored in items), redelivered=False)
        doorbell.ring(self._channel.store.location.folder, {stored.queue for _, stored in items})
