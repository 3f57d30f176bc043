"""The factory: the one place where Celeriac's rooms meet `celery.Celery`.

In flow a plan, and an existing app or none. Out flows a real Celery app with production settings, the plan's queues,
routes and schedules, and the dead letters wired in. What the team set itself always wins.
"""

from __future__ import annotations

from celeriac.app.breaking import breaker
from celeriac.app.factory import adopt, create_app
from celeriac.app.hooking import add_hooks
from celeriac.app.loading import load_app

__all__ = ["add_hooks", "adopt", "breaker", "create_app", "load_app"]
