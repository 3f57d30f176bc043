"""The base classes of tasks in a Django project."""

from __future__ import annotations

from celery.contrib.django.task import DjangoTask

from celeriac.tasks import HeavyTask as PlainHeavyTask
from celeriac.tasks import LightTask as PlainLightTask
from celeriac.tasks import ReportingTask as PlainReportingTask
from celeriac.tasks import Task as PolicyTask


class Task(PolicyTask, DjangoTask):
    """A Celeriac task that can also be sent once the database transaction is committed.

    `delay_on_commit` and `apply_async_on_commit` are Celery's own; without a transaction they send at once.
    """

    abstract = True


class ReportingTask(PlainReportingTask, DjangoTask):
    """`celeriac.ReportingTask`, which can be sent once the transaction is committed."""

    abstract = True


class HeavyTask(PlainHeavyTask, DjangoTask):
    """`celeriac.HeavyTask`, which can be sent once the transaction is committed."""

    abstract = True


class LightTask(PlainLightTask, DjangoTask):
    """`celeriac.LightTask`, which can be sent once the transaction is committed."""

    abstract = True
