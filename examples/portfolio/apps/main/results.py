"""Where the result of a task is kept that is not worth a row of its own."""

from functools import cached_property

from celery.contrib.django.task import DjangoTask
from django_celery_results.backends import CacheBackend


class CachedResult(DjangoTask):
    """A task whose results live in Django's cache (CELERY_CACHE_BACKEND) instead of the results table.

    Ask for them by the task: `health_check.AsyncResult(task_id)`.
    """

    abstract = True

    @cached_property
    def backend(self) -> CacheBackend:  # type: ignore[override]
        return CacheBackend(app=self.app)
