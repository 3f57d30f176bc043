"""What an operator asks of schedules and does to them: list, look ahead, run now, pause, resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from uuid import uuid4

import msgspec
from celery import Celery
from msgspec.structs import replace

from celeriac.clock import SYSTEM, Clock
from celeriac.coordination import Term, open_coordination
from celeriac.errors import ScheduleError
from celeriac.schedule.declared import Declared
from celeriac.schedule.leadership import lease_of
from celeriac.schedule.ledger import Entry, Ledger
from celeriac.schedule.reading import Reader, plan_of
from celeriac.schedule.runs import has_ended
from celeriac.schedule.sending import Sender

#: a beat writes a page a few times for each slot; whoever loses this often in a row is up against something else
_TRIES = 50
_Change = Callable[[Entry], Entry | None]


class ScheduleReport(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule as it is now. Times are epoch seconds; a slot is named by its moment.

    source: "plan", "code" (`beat_schedule`, `add_periodic_task`) or "django" (the admin's tables).
    when: its slots in words.
    state: "active", "paused", "new" (no beat has seen it yet) or "faulty" (`fault` says why).
    next_slot: None if none comes, or it is paused.
    due_slot: the first slot that is due and was not sent; None if there is none, or it is paused.
    sent, missed, skipped, waiting: slots that came to that.
    running: id of the last run if it has not ended, as far as its result says (overlap "skip" and "queue").
    zone: the time zone it is declared in, by its name.
    """

    name: str
    task: str
    source: str
    when: str
    state: str
    catch_up: str
    overlap: str
    next_slot: float | None
    due_slot: float | None
    last_slot: float | None
    sent_at: float | None
    task_id: str | None
    sent: int
    missed: int
    skipped: int
    waiting: int
    running: str | None
    zone: str
    fault: str | None


class Upcoming(msgspec.Struct, frozen=True, kw_only=True):
    """The next slots of one schedule, epoch seconds."""

    name: str
    task: str
    zone: str
    slots: tuple[float, ...]


@contextmanager
def opened(app: Celery, clock: Clock = SYSTEM) -> Iterator[Schedules]:
    """Open the schedules of an app, whose tasks are imported.

    Raises: CoordinationError if the coordination store cannot be opened.
    """
    schedules = Schedules(app, clock)
    try:
        yield schedules
    finally:
        schedules.close()


class Schedules:
    """The schedules of one app, and their ledger."""

    def __init__(self, app: Celery, clock: Clock = SYSTEM) -> None:
        plan = plan_of(app)
        self._app = app
        self._clock = clock
        self._store = open_coordination(plan.coordination, plan.folder)
        self._ledger = Ledger(self._store, plan.name)
        self._lease = lease_of(plan.name)
        self._declared = {declared.name: declared for declared in Reader(app).read()}

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def leader(self) -> Term | None:
        """Give the term of the beat that leads now; None if none does."""
        return self._store.current(self._lease)

    def reports(self, names: Iterable[str] = ()) -> list[ScheduleReport]:
        """Give the named schedules as they are now, or all of them, by name."""
        return [self._report(declared) for declared in self._meant(names)]

    def upcoming(self, names: Iterable[str] = (), count: int = 5) -> list[Upcoming]:
        """Give the next slots of the named schedules, or of all; those of a paused one too."""
        now = self._clock.wall()
        return [
            Upcoming(
                name=it.name,
                task=it.task,
                zone=_zone(it),
                slots=tuple(_following(it, now, count)),
            )
            for it in self._meant(names)
        ]

    def run(self, name: str, *, force: bool = False) -> str:
        """Send a schedule's task now, beside its slots; give the id of the task.

        force: also while its last run has not ended (overlap "skip" and "queue").
        Raises: ScheduleError if there is no such schedule, or the last run has not ended; the broker's errors.
        """
        declared = self._meant([name])[0]
        page, now = self._ledger.read(name), self._clock.wall()
        running = page.entry.running if page is not None else None
        if declared.overlap != "allow" and page is not None and running is not None and not force:
            since = page.entry.running_since or now
            if not has_ended(self._app, running, since, now):
                raise ScheduleError(
                    "SCHED-004",
                    f'the last run of schedule "{name}" has not ended: {running}.',
                    fix=f"wait for it (celeriac why {running}), or say --force",
                )
        task_id = str(uuid4())
        sender = Sender(self._app)
        try:
            sender.send(declared, task_id)
        finally:
            sender.hang_up()
        if declared.overlap != "allow":
            self._change(declared, lambda entry: replace(entry, running=task_id, running_since=now))
        return task_id

    def pause(self, names: Iterable[str]) -> list[str]:
        """Send nothing more for these schedules; give those that were not paused before."""
        now = self._clock.wall()
        return [
            declared.name
            for declared in self._meant(names)
            if self._change(
                declared, lambda entry: None if entry.paused_at else replace(entry, paused_at=now)
            )
        ]

    def resume(self, names: Iterable[str]) -> list[str]:
        """Let these schedules go on with their next slots; give those that were paused.

        The slots that came while they were paused are none.
        """
        now = self._clock.wall()

        def resumed(entry: Entry) -> Entry | None:
            if entry.paused_at is None:
                return None
            return replace(entry, paused_at=None, settled=max(entry.settled, now))

        return [declared.name for declared in self._meant(names) if self._change(declared, resumed)]

    def _meant(self, names: Iterable[str]) -> list[Declared]:
        named = list(names)
        for name in named:
            if name not in self._declared:
                close = get_close_matches(name, self._declared, n=1)
                raise ScheduleError(
                    "SCHED-005",
                    f'there is no schedule "{name}".',
                    known=sorted(self._declared),
                    fix=f'write "{close[0]}"' if close else "declare it in the plan, the code or the admin",
                )
        return [self._declared[name] for name in named or sorted(self._declared)]

    def _change(self, declared: Declared, change: _Change) -> bool:
        """Change the page of a schedule, whatever a beat writes meanwhile; False if there is nothing to change."""
        for _ in range(_TRIES):
            page = self._ledger.read(declared.name)
            # A schedule that no beat has seen begins its page here: its slots count from now.
            text = declared.slots.text if declared.slots is not None else ""
            held = Entry(text=text, settled=self._clock.wall()) if page is None else page.entry
            changed = change(held)
            if changed is None:
                return False
            written = (
                self._ledger.write(page, changed) if page else self._ledger.begin(declared.name, changed)
            )
            if written is not None:
                return True
        raise ScheduleError(
            "SCHED-006",
            f'schedule "{declared.name}" is written to by others without a pause.',
            fix="try again",
        )

    def _report(self, declared: Declared) -> ScheduleReport:
        page, now = self._ledger.read(declared.name), self._clock.wall()
        entry = page.entry if page is not None else Entry(text="", settled=now)
        state = "new" if page is None else "active" if entry.paused_at is None else "paused"
        running = entry.running if declared.overlap != "allow" else None
        if running is not None and has_ended(self._app, running, entry.running_since or now, now):
            running = None
        following = declared.slots.next_after(now) if declared.slots is not None else None
        return ScheduleReport(
            name=declared.name,
            task=declared.task,
            source=declared.source,
            when=declared.slots.text if declared.slots is not None else "",
            state="faulty" if declared.fault else state,
            catch_up=declared.catch_up,
            overlap=declared.overlap,
            next_slot=following if entry.paused_at is None and not declared.fault else None,
            due_slot=_due(declared, entry, now) if state == "active" and not declared.fault else None,
            last_slot=entry.last_slot,
            sent_at=entry.sent_at,
            task_id=entry.task_id,
            sent=entry.sent,
            missed=entry.missed,
            skipped=entry.skipped,
            waiting=len(entry.waiting),
            running=running,
            zone=_zone(declared),
            fault=declared.fault,
        )


def _due(declared: Declared, entry: Entry, now: float) -> float | None:
    if entry.claimed is not None:
        return entry.claimed
    slots = declared.slots
    # Of slots that were declared otherwise, those of the past are none of this schedule's.
    if slots is None or entry.text != slots.text:
        return None
    following = slots.next_after(max(entry.settled, declared.since or 0.0))
    return following if following is not None and following <= now else None


def _following(declared: Declared, moment: float, count: int) -> Iterator[float]:
    for _ in range(count):
        following = declared.slots.next_after(moment) if declared.slots is not None else None
        if following is None:
            return
        yield following
        moment = following


def _zone(declared: Declared) -> str:
    return "UTC" if declared.slots is None else str(declared.slots.zone)
