"""The schedules in django-celery-beat's tables, read where a project has them; the admin stays their editor.

Edits are taken up within seconds. When a task was last sent, and how often, is written back as its own scheduler does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery import Celery

from celeriac.errors import CeleriacError
from celeriac.events import emit
from celeriac.schedule.declared import Declared
from celeriac.schedule.kinds import slots_of_celery
from celeriac.schedule.slots import BoundedSlots

#: how often it is asked whether the tables were edited
ASK_EVERY_S = 2.0


def find_tables(app: Celery) -> Tables | None:
    """Give the tables if Django runs here and django_celery_beat is among its INSTALLED_APPS, else None."""
    if find_spec("django") is None or find_spec("django_celery_beat") is None:
        return None
    apps: Any = import_module("django.apps").apps
    if not apps.ready or not apps.is_installed("django_celery_beat"):
        return None
    return Tables(app)


class Tables:
    """The rows of PeriodicTask as schedules.

    names: of all rows, the disabled ones too.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._models: Any = import_module("django_celery_beat.models")
        self._entry: Any = import_module("django_celery_beat.schedulers").ModelEntry
        self._close_old: Any = import_module("django.db").close_old_connections
        self._errors: tuple[type[Exception], ...] = (
            import_module("django.db.utils").DatabaseError,
            import_module("django.db.utils").InterfaceError,
        )
        self._edited_at: datetime | None = None
        self._ask_at = 0.0
        self._declared: list[Declared] = []
        self.names: frozenset[str] = frozenset()

    def read(self) -> Iterable[Declared]:
        """Give the enabled rows as they are now, or as they last were if the database cannot be read."""
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_EVERY_S
            try:
                self._refresh()
            except self._errors as error:
                emit("schedule", "schedule.tables_unavailable", error=str(error).strip())
        return self._declared

    def note_sent(self, name: str, at: float) -> None:
        """Write down that a row's task was sent; a one-off row is then disabled."""
        expressions: Any = import_module("django.db.models")
        sent_at = datetime.fromtimestamp(at, UTC)
        # By UPDATE: saving the row would overwrite what the admin writes at the same time.
        rows = self._models.PeriodicTask.objects.filter(name=name)
        try:
            self._close_old()
            rows.update(last_run_at=_stored(sent_at), total_run_count=expressions.F("total_run_count") + 1)
            if rows.filter(one_off=True).update(enabled=False, total_run_count=0):
                self._models.PeriodicTasks.update_changed()
                self._ask_at = 0.0
        except self._errors as error:
            emit("schedule", "schedule.tables_unavailable", error=str(error).strip())

    def _refresh(self) -> None:
        self._close_old()
        edited_at = self._models.PeriodicTasks.last_change()
        if self.names and edited_at == self._edited_at:
            return
        related = ("interval", "crontab", "solar", "clocked")
        rows = list(self._models.PeriodicTask.objects.select_related(*related))
        self._declared = [self._read(row) for row in rows if row.enabled]
        self.names = frozenset(row.name for row in rows)
        self._edited_at = edited_at

    def _read(self, row: Any) -> Declared:
        try:
            # Takes the row's arguments and options apart; a row whose arguments cannot be read is disabled by it.
            entry = self._entry(row, app=self._app)
            bounds = map(_moment_or_none, (row.start_time, row.expires))
            slots = BoundedSlots(slots_of_celery(entry.schedule), *bounds)
            since = _since(row)
            if row.one_off:
                # Sending disables the row, but of a beat that comes late several slots may be due by then.
                slots = BoundedSlots(slots, None, slots.next_after(since))
            return Declared(
                name=row.name,
                task=row.task,
                slots=slots,
                source="django",
                args=entry.args,
                kwargs=entry.kwargs,
                options=entry.options,
                since=since,
            )
        except Exception as error:
            # Whatever is written into one row must not stop the others.
            fault = str(error) if isinstance(error, CeleriacError) else f"{type(error).__name__}: {error}"
            return Declared(name=row.name, task=row.task, slots=None, source="django", fault=fault)


def _since(row: Any) -> float:
    """Off, or another schedule, until it was last edited; `last_run_at` alone would bring back what was due then."""
    return max(_moment(each) for each in (row.date_changed, row.last_run_at) if each is not None)


def _moment_or_none(value: datetime | None) -> float | None:
    return None if value is None else _moment(value)


def _moment(value: datetime) -> float:
    # Without USE_TZ Django's times are naive, in its own zone, which is the process's.
    return value.timestamp()


def _stored(moment: datetime) -> datetime:
    settings: Any = import_module("django.conf").settings
    return moment if settings.USE_TZ else moment.astimezone().replace(tzinfo=None)
