"""Dispatch: what the leader does about one schedule, slot by slot: claim it in the ledger, send it, settle it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from celery import Celery
from msgspec.structs import replace

from celeriac.clock import SYSTEM, Clock
from celeriac.coordination import Term
from celeriac.events import emit
from celeriac.schedule.declared import Declared
from celeriac.schedule.late import count_missed, is_given_up, last_missed
from celeriac.schedule.leadership import Leadership
from celeriac.schedule.ledger import Entry, Ledger, Page
from celeriac.schedule.runs import has_ended, is_known
from celeriac.schedule.sending import Sender
from celeriac.schedule.slots import Slots

#: seconds: how soon a paused schedule, or a run that is waited for, is looked at again
_LOOK_AGAIN_S = 1.0
#: seconds between tries of a publish that failed: doubled from the first up to the last
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
#: slots of one schedule that are worked off before others, and the lease, have their turn
_BURST = 50
#: slots that may wait for a run to end (overlap "queue")
WAITING_MAX = 100

#: a page to go on with, or the seconds until the schedule needs attention again
Step = Page | float


class Dispatcher:
    """One leader's work on the ledger."""

    def __init__(
        self,
        app: Celery,
        ledger: Ledger,
        sender: Sender,
        leadership: Leadership,
        deadline_s: float,
        on_sent: Callable[[Declared, float], None],
        clock: Clock = SYSTEM,
    ) -> None:
        """deadline_s: how late a slot is still sent as if in time; on_sent: told each schedule and when it was sent."""
        self._app = app
        self._ledger = ledger
        self._sender = sender
        self._leadership = leadership
        self._deadline_s = deadline_s
        self._on_sent = on_sent
        self._clock = clock
        self._pages: dict[str, Page] = {}
        self._unmarked: dict[str, float] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    def begin_term(self) -> None:
        """Forget what was read in an earlier term: others may have led since."""
        self._pages.clear()
        self._failures.clear()

    def attend(self, declared: Declared) -> float:
        """Do what is due for a schedule; give the seconds until it needs attention again.

        Raises: CoordinationError, ScheduleError, or what the result backend raises; then it is attended to again.
        """
        page = self._open(declared)
        if page is None:
            return 0.0
        for _ in range(_BURST):
            term = self._leadership.trusted()
            if term is None:
                return 0.0
            step = self._step(declared, page, term)
            if not isinstance(step, Page):
                return step
            page = self._pages[declared.name] = step
        return 0.0

    def _open(self, declared: Declared) -> Page | None:
        """Give the page of a schedule as it is declared now; None if somebody else is at it."""
        term, slots, now = self._leadership.trusted(), declared.slots, self._clock.wall()
        if term is None or slots is None:
            return None
        page = self._pages.get(declared.name) or self._ledger.read(declared.name)
        if page is None:
            first = Entry(text=slots.text, settled=now if declared.since is None else declared.since)
            page = self._kept(declared.name, self._ledger.begin(declared.name, first, term))
        elif page.entry.text != slots.text:
            # Other slots: those of the past are none of this schedule's.
            renewed = replace(page.entry, text=slots.text, settled=max(page.entry.settled, now), waiting=())
            page = self._write(page, renewed, term)
        elif declared.since is not None and declared.since > page.entry.settled:
            page = self._write(page, replace(page.entry, settled=declared.since), term)
        if page is not None:
            self._pages[declared.name] = page
        return page

    def _step(self, declared: Declared, page: Page, term: Term) -> Step:  # noqa: PLR0911 - one for each state of a page
        entry, slots, now = page.entry, declared.slots, self._clock.wall()
        assert slots is not None
        if entry.paused_at is not None:
            self._pages.pop(declared.name, None)
            return _LOOK_AGAIN_S
        if entry.claimed is not None:
            return self._send(declared, page, entry.claimed, term)
        if entry.waiting and self._is_free(declared, entry, now):
            return self._claim(page, entry.waiting[0], term, waiting=entry.waiting[1:])
        slot = slots.next_after(entry.settled)
        if slot is None or slot > now:
            wait_s = math.inf if slot is None else slot - now
            return min(wait_s, _LOOK_AGAIN_S) if entry.waiting else wait_s
        missed = last_missed(slots, declared.catch_up, entry.settled, now, self._deadline_s)
        if missed is not None:
            return self._miss(page, slots, missed, term)
        if declared.overlap != "allow" and (entry.waiting or not self._is_free(declared, entry, now)):
            return self._hold_back(declared, page, slot, term)
        return self._claim(page, slot, term)

    def _miss(self, page: Page, slots: Slots, last: float, term: Term) -> Step:
        count = count_missed(slots, page.entry.settled, last)
        emit("schedule", "schedule.missed", schedule=page.name, count=count, slot=said(last))
        missed = replace(page.entry, settled=last, missed=page.entry.missed + count)
        return self._write(page, missed, term) or 0.0

    def _is_free(self, declared: Declared, entry: Entry, now: float) -> bool:
        if declared.overlap == "allow" or entry.running is None or entry.running_since is None:
            return True
        return has_ended(self._app, entry.running, entry.running_since, now)

    def _hold_back(self, declared: Declared, page: Page, slot: float, term: Term) -> Step:
        entry = page.entry
        if declared.overlap == "queue" and len(entry.waiting) < WAITING_MAX:
            return (
                self._write(page, replace(entry, settled=slot, waiting=(*entry.waiting, slot)), term) or 0.0
            )
        why = (
            f"the run of {entry.running} has not ended"
            if declared.overlap == "skip"
            else f"{WAITING_MAX} slots wait already"
        )
        emit("schedule", "schedule.skipped", schedule=page.name, slot=said(slot), why=why)
        return self._write(page, replace(entry, settled=slot, skipped=entry.skipped + 1), term) or 0.0

    def _claim(self, page: Page, slot: float, term: Term, waiting: tuple[float, ...] | None = None) -> Step:
        claimed = replace(
            page.entry,
            claimed=slot,
            claimed_in=term.number,
            claimed_at=self._clock.wall(),
            waiting=page.entry.waiting if waiting is None else waiting,
        )
        return self._write(page, claimed, term) or 0.0

    def _send(self, declared: Declared, page: Page, slot: float, term: Term) -> Step:
        name, entry, now = page.name, page.entry, self._clock.wall()
        if self._unmarked.get(name) == slot:
            return self._settle(declared, page, slot)
        assert declared.slots is not None
        if is_given_up(declared.slots, declared.catch_up, entry, now, self._deadline_s):
            emit("schedule", "schedule.missed", schedule=name, count=1, slot=said(slot))
            missed = _settled(entry, slot)
            return self._write(page, replace(missed, missed=missed.missed + 1), term) or 0.0
        if entry.claimed_in != term.number:
            return self._take_over(declared, page, slot, term)
        failures, retry_at = self._failures.get(name, (0, 0.0))
        if retry_at > self._clock.steady():
            return retry_at - self._clock.steady()
        task_id = self._ledger.task_id(name, slot)
        try:
            self._sender.send(declared, task_id, slot, self._ledger.once(name, slot))
        except Exception as error:
            # The broker's errors, and whatever the team's own signal handlers and routers raise on the way.
            self._sender.drop()
            pause_s = min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S)
            self._failures[name] = failures + 1, self._clock.steady() + pause_s
            emit(
                "schedule",
                "schedule.send_failed",
                schedule=name,
                task=declared.task,
                slot=said(slot),
                pause_s=pause_s,
                error=f"{type(error).__name__}: {error}",
            )
            return pause_s
        self._failures.pop(name, None)
        self._unmarked[name] = slot
        late_s = self._clock.wall() - slot
        emit(
            "schedule",
            "schedule.sent",
            schedule=name,
            task=declared.task,
            task_id=task_id,
            slot=said(slot),
            late_s=late_s,
        )
        return self._settle(declared, page, slot)

    def _take_over(self, declared: Declared, page: Page, slot: float, term: Term) -> Step:
        """Go on with a slot that a leader before us claimed and may have sent."""
        if not self._sender.keeps_once and is_known(self._app, self._ledger.task_id(page.name, slot)):
            return self._settle(declared, page, slot)
        return self._write(page, replace(page.entry, claimed_in=term.number), term) or 0.0

    def _settle(self, declared: Declared, page: Page, slot: float) -> Step:
        """Write down that a slot was sent; also without the term, since it is a fact."""
        now = self._clock.wall()
        while True:
            settled = _settled(page.entry, slot)
            task_id = self._ledger.task_id(page.name, slot)
            settled = replace(settled, sent=settled.sent + 1, last_slot=slot, sent_at=now, task_id=task_id)
            if declared.overlap != "allow":
                settled = replace(settled, running=task_id, running_since=now)
            written = self._ledger.write(page, settled)
            if written is None:
                reread = self._ledger.read(page.name)
                if reread is not None and reread.entry.claimed == slot:
                    page = reread
                    continue
                # Whoever leads now has settled it.
                self._pages.pop(page.name, None)
                self._leadership.doubt()
            self._unmarked.pop(page.name, None)
            self._on_sent(declared, now)
            return written or 0.0

    def _write(self, page: Page, entry: Entry, term: Term) -> Page | None:
        return self._kept(page.name, self._ledger.write(page, entry, term))

    def _kept(self, name: str, written: Page | None) -> Page | None:
        if written is None:
            # An operator wrote to it, or the term is over: look again, and ask.
            self._pages.pop(name, None)
            self._leadership.doubt()
        return written


def said(slot: float) -> str:
    """Write a slot as people read it."""
    return datetime.fromtimestamp(slot, UTC).isoformat(timespec="milliseconds" if slot % 1 else "seconds")


def _settled(entry: Entry, slot: float) -> Entry:
    # A slot that waited is settled already, and later ones may be.
    return replace(entry, claimed=None, claimed_at=0.0, settled=max(entry.settled, slot))
