"""Adopting: an existing Celery project read as it is, and the plan that changes nothing of it.

In flows a folder with a Celery app. It is imported in a process of its own, as a worker would and no further: no task
runs, no connection is made, and what it prints or breaks stays there. Out flow the text of a plan, the proof that
settings, tasks, routes and schedules are the same with it as without, and what is worth changing afterwards. What
cannot be imported is an AdoptError with the project's own words.
"""

from __future__ import annotations

from celeriac.adopting.adoption import Adoption, adopt_project

__all__ = ["Adoption", "adopt_project"]
