"""Late slots: which are still sent, and which were missed, by what a schedule says of catching up."""

from __future__ import annotations

from celeriac.plan.tables.schedules import CatchUp
from celeriac.schedule.ledger import Entry
from celeriac.schedule.slots import Slots

#: missed slots that are counted one by one; of more, it is said that there were this many
_COUNTED_MAX = 10_000
#: slots are whole milliseconds
_BEFORE_S = 0.001


def last_missed(
    slots: Slots, catch_up: CatchUp, settled: float, now: float, deadline_s: float
) -> float | None:
    """Give the last of the slots since `settled` that are not to be sent any more; None if the next one still is."""
    if catch_up == "all":
        return None
    if catch_up == "none":
        return slots.last_until(now - deadline_s, settled)
    newest = slots.last_until(now, settled)
    if newest is None:
        return None
    # Whatever is still in time is sent; with nothing in time, the newest alone.
    is_in_time = now - newest <= deadline_s
    return slots.last_until(now - deadline_s if is_in_time else newest - _BEFORE_S, settled)


def count_missed(slots: Slots, settled: float, last: float) -> int:
    """Count the slots after `settled` and up to `last`, at most 10,000."""
    count, slot = 0, settled
    while count < _COUNTED_MAX and (following := slots.next_after(slot)) is not None and following <= last:
        count, slot = count + 1, following
    return count


def is_given_up(slots: Slots, catch_up: CatchUp, entry: Entry, now: float, deadline_s: float) -> bool:
    """Say whether a claimed slot that could not be sent in time is missed."""
    if catch_up == "all" or entry.claimed is None or now - entry.claimed_at <= deadline_s:
        return False
    return catch_up == "none" or slots.last_until(now, max(entry.settled, entry.claimed)) is not None
