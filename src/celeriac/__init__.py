"""The production platform for Celery."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kombu.transport import TRANSPORT_ALIASES

if TYPE_CHECKING:
    from celeriac.app import add_hooks, adopt, breaker, create_app
    from celeriac.plan import Breaker, Letters, Plan, Policy, Pool, Queue, Retry, Schedule, read_plan
    from celeriac.tasks import HeavyTask, Hooks, LightTask, ReportingTask, Task, result_of
    from celeriac.tasks.sending import NotSent, PartlySent, send_many

__version__ = "0.1.0"

__all__ = [
    "Breaker",
    "HeavyTask",
    "Hooks",
    "Letters",
    "LightTask",
    "NotSent",
    "PartlySent",
    "Plan",
    "Policy",
    "Pool",
    "Queue",
    "ReportingTask",
    "Retry",
    "Schedule",
    "Task",
    "add_hooks",
    "adopt",
    "breaker",
    "create_app",
    "read_plan",
    "result_of",
    "send_many",
]

# kombu finds the transport of a URL by its scheme in this table alone (it reads no entry points), so a name is entered
# here; the transport itself is imported by the first connection that uses it.
TRANSPORT_ALIASES.setdefault("sqlite", "celeriac.transports.sqlite.transport:Transport")
TRANSPORT_ALIASES.setdefault("celeriac-redis", "celeriac.transports.redis.transport:Transport")

_ROOMS = {
    **dict.fromkeys(
        ("HeavyTask", "Hooks", "LightTask", "ReportingTask", "Task", "result_of"), "celeriac.tasks"
    ),
    **dict.fromkeys(("NotSent", "PartlySent", "send_many"), "celeriac.tasks.sending"),
    **dict.fromkeys(("add_hooks", "adopt", "breaker", "create_app"), "celeriac.app"),
}


def __getattr__(name: str) -> Any:
    # `import celeriac` must stay quick: Celery and the plan's reader are imported by the first name that needs them.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ROOMS.get(name, "celeriac.plan")), name)
    globals()[name] = value
    return value
