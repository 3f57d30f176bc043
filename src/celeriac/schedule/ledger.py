"""The ledger: for every schedule, up to which slot all is settled, and what is still open.

A page is one versioned document of the coordination store. A slot is claimed there, under the leader's term, before its
task is published, and settled after: whoever comes next finds what was settled, and what may have been sent.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID, uuid5

import msgspec

from celeriac.coordination import ABSENT, Coordination, Term
from celeriac.errors import ScheduleError

_TASKS = UUID("0a3a9d0e-6d0b-5f0e-9d8e-5c6c1c8f1f57")
#: what a store takes as a key
_KEY_CHARACTERS_MAX = 200


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the ledger holds of one schedule. Times are epoch seconds; slots are named by theirs.

    text: the schedule's slots in words; when they change, slots count from then.
    settled: every slot up to this one is sent, skipped or missed.
    claimed: the slot that is being sent since `claimed_at`, in the term `claimed_in`; it may have been sent.
    waiting: slots that wait for the last run to end (overlap "queue").
    sent, missed, skipped: how many slots came to what.
    last_slot, sent_at, task_id: of the last task that was sent.
    running: the id of the last run whose end has not been seen (overlap "skip" and "queue"), and since when.
    paused_at: since when it is paused; None if it is not.
    """

    text: str
    settled: float
    claimed: float | None = None
    claimed_in: int = 0
    claimed_at: float = 0.0
    waiting: tuple[float, ...] = ()
    sent: int = 0
    missed: int = 0
    skipped: int = 0
    last_slot: float | None = None
    sent_at: float | None = None
    task_id: str | None = None
    running: str | None = None
    running_since: float | None = None
    paused_at: float | None = None


class Page(msgspec.Struct, frozen=True):
    """An entry as it was read or written, with its version in the store."""

    name: str
    entry: Entry
    version: int


class Ledger:
    """The pages of one project's schedules."""

    def __init__(self, store: Coordination, project: str) -> None:
        """project: what sets its schedules apart from those of others in the same store."""
        self._store = store
        self._project = project

    def read(self, name: str) -> Page | None:
        """Give the page of a schedule; None if no beat has seen it yet.

        Raises: CoordinationError; ScheduleError if the page is none of ours.
        """
        found = self._store.load(self._key(name))
        if found is None:
            return None
        try:
            return Page(name, msgspec.json.decode(found.value, type=Entry), found.version)
        except msgspec.DecodeError as error:
            raise ScheduleError(
                "SCHED-003",
                f'the ledger of schedule "{name}" cannot be read: {error}.',
                at=self._store.at,
                fix="upgrade Celeriac here, or delete the document and let slots count from now",
            ) from error

    def begin(self, name: str, entry: Entry, under: Term | None = None) -> Page | None:
        """Make the page of a schedule; None if somebody else made it, or the term is over."""
        return self._write(name, ABSENT, entry, under)

    def write(self, page: Page, entry: Entry, under: Term | None = None) -> Page | None:
        """Write what has become of a page; None if somebody wrote since, or the term is over."""
        return self._write(page.name, page.version, entry, under)

    def task_id(self, name: str, slot: float) -> str:
        """Give the id of the task of a slot: the same whoever sends it, however often."""
        return str(uuid5(_TASKS, f"{self._project}\n{name}\n{slot:.3f}"))

    def once(self, name: str, slot: float) -> str:
        """Give the key by which a broker stores the task of a slot once."""
        return f"schedule:{self.task_id(name, slot)}"

    def _write(self, name: str, version: int, entry: Entry, under: Term | None) -> Page | None:
        written = self._store.swap(self._key(name), version, msgspec.json.encode(entry), under=under)
        return Page(name, entry, written) if written else None

    def _key(self, name: str) -> str:
        key = f"{self._project}/schedule/{name}"
        if len(key) <= _KEY_CHARACTERS_MAX:
            return key
        # `add_periodic_task` without a name takes the whole call for one.
        return f"{self._project[:80]}/schedule/{sha256(name.encode()).hexdigest()}"
