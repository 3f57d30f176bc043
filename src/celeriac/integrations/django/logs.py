"""Logs of the site itself, as the plan says: what Django's LOGGING_CONFIG may name."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from celeriac.errors import CeleriacError
from celeriac.integrations.django.project import project_plan
from celeriac.observe.logs import set_up_logs


def log_as_planned(settings: Mapping[str, str]) -> None:
    """Write this process's logs to the screen, and to the files that the plan's `[logs]` names.

    settings: Django's LOGGING; its "level" is the screen's, the plan's without it.
    """
    try:
        plan = project_plan()
    except CeleriacError:
        # Whatever starts says it, the checks or the app's `ready`; until then Django logs as it does by default.
        return
    of_django = logging.getLogger("django")
    for handler in tuple(of_django.handlers):
        if type(handler) is logging.StreamHandler:
            of_django.removeHandler(handler)  # ours says the same once more
    set_up_logs(plan, settings.get("level"))
