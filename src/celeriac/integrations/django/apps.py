"""How Django knows Celeriac."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from django.apps import AppConfig
from django.core import checks

from celeriac.errors import CeleriacError
from celeriac.integrations.django.checks import check_plan
from celeriac.integrations.django.project import project_app


class CeleriacConfig(AppConfig):
    """The app `celeriac.integrations.django`, with the label "celeriac"."""

    name = "celeriac.integrations.django"
    label = "celeriac"
    verbose_name = "Celeriac"

    def ready(self) -> None:
        """Bring the project's Celery app under its plan.

        Raises: CeleriacError if that cannot be done, so that no site sends tasks on settings nobody asked for.
        """
        checks.register(check_plan, "celeriac")
        if find_spec("django.tasks") is not None:
            # Django 6.0 itself never imports the module by which its tasks' backends, ours among them, are checked.
            import_module("django.tasks.checks")
        try:
            project_app()
        except CeleriacError:
            # There the checks say it, one by one; and `migrate` need not wait for a plan.
            if not _is_management_command():
                raise


def _is_management_command() -> bool:
    program = Path(sys.argv[0])
    return program.name in ("manage.py", "django-admin") or program.parts[-2:] == ("django", "__main__.py")
