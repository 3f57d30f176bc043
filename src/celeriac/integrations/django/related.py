"""The links between the admin's pages of letters, runs and Celery's results, for those who may see them."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin.utils import quote
from django.urls import NoReverseMatch, reverse

from celeriac.integrations.django.showing import ID_CHARS, linked
from celeriac.records import Letter, Seen

_RESULTS = "django_celery_results"


class Links:
    """Where one user can go from one page."""

    def __init__(self, user: Any, site: str) -> None:
        """site: the name of the admin site."""
        self._user = user
        self._site = site

    def letter(self, letter_id: str, text: str | None = None) -> str:
        """Show a letter's id, leading to its page."""
        return linked(
            self._page("celeriac", "letter", letter_id),
            letter_id[:ID_CHARS] if text is None else text,
        )

    def run(self, task_id: str, text: str | None = None) -> str:
        """Show a task's id, leading to its run; the run must be on record."""
        return linked(self._page("celeriac", "run", task_id), task_id if text is None else text)

    def letter_line(self, letter: Letter) -> str:
        """Show a letter with what it is."""
        return self.letter(letter.id, f"{letter.id[:ID_CHARS]} {letter.state}, {letter.reason}")

    def run_line(self, seen: Seen) -> str:
        """Show a run with what it is."""
        name, state = seen.run.description.task or "-", seen.outcome.state
        return self.run(seen.run.task_id, f"{seen.run.task_id[:ID_CHARS]} {name}, {state}")

    def result(self, task_id: str) -> str | None:
        """Show the state of a task's result in django-celery-results, leading to it; None if there is none."""
        if not apps.is_installed(_RESULTS):
            return None
        kept = apps.get_model(_RESULTS, "TaskResult").objects.filter(task_id=task_id)
        found = kept.values_list("pk", "status").first()
        if found is None:
            return None
        return linked(self._page(_RESULTS, "taskresult", str(found[0])), found[1])

    def _page(self, app: str, model: str, key: str) -> str | None:
        may = self._user.has_perm(f"{app}.view_{model}") or self._user.has_perm(f"{app}.change_{model}")
        if not may:
            return None
        try:
            return str(reverse(f"admin:{app}_{model}_change", args=(quote(key),), current_app=self._site))
        except NoReverseMatch:
            return None  # the project's admin leaves the model out
