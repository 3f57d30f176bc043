"""The backend for Django's tasks, under the name that the setting TASKS says: CeleriacBackend.

Celery imports the module `tasks` of every installed app, so this one must do so without the package django-tasks.
"""

from __future__ import annotations

from typing import Any

from celeriac.errors import IntegrationError


def __getattr__(name: str) -> Any:
    if name != "CeleriacBackend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from celeriac.integrations.django.enqueueing import CeleriacBackend  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise IntegrationError(
            "WEB-010",
            f"the backend of Django's tasks needs a package that is not installed: {error.name}.",
            at="TASKS",
            fix="pip install 'celeriac[django-tasks]'",
        ) from error
    return CeleriacBackend
