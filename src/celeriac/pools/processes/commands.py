"""Remote control of a worker whose tasks run elsewhere: Celery's own commands, over what the slots say and do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from celery.worker import state
from celery.worker.control import Panel

#: commands that look at, or end, what the slots have in hand
_LOOKING = frozenset(
    (
        "active", "dump_active", "reserved", "dump_reserved", "query_task", "stats", "revoke",
        "revoke_by_stamped_headers", "terminate",
    )
)  # fmt: skip


#: commands that the slots are told of first: a task sent after its revoke may be on its way to one already
_TOLD_FIRST = frozenset(("revoke", "terminate"))


def handlers(pool: Any) -> dict[str, Callable[..., Any]]:
    """Give the handlers of all commands: Celery's, and the team's own, which run in the parent."""
    ours: dict[str, Callable[..., Any]] = {
        name: partial(_handle, pool, name, handler) for name, handler in Panel.data.items()
    }
    ours["scheduled"] = ours["dump_schedule"] = partial(_scheduled, pool)
    return ours


def _scheduled(pool: Any, panel_state: Any, **_: Any) -> list[dict[str, Any]]:
    pool.refresh()
    return list(pool.mirror.scheduled)


def _handle(pool: Any, name: str, handler: Callable[..., Any], panel_state: Any, **arguments: Any) -> Any:
    told = _TOLD.get(name)
    if told is not None and name in _TOLD_FIRST:
        _tell(pool, told, panel_state, arguments)
    if name in _LOOKING and (name != "revoke_by_stamped_headers" or arguments.get("terminate")):
        pool.refresh()
    reply = handler(panel_state, **arguments)
    if told is not None and name not in _TOLD_FIRST and not (isinstance(reply, dict) and "error" in reply):
        _tell(pool, told, panel_state, arguments)
    return reply


def _tell(pool: Any, told: Callable[..., Told], panel_state: Any, arguments: dict[str, Any]) -> None:
    verb, details = told(panel_state.app, arguments)
    pool.tell(verb, **details)


Told = tuple[str, dict[str, Any]]


def _revoked(app: Any, arguments: dict[str, Any]) -> Told:
    ids = arguments["task_id"]
    return "revoke", {"task_ids": [ids] if isinstance(ids, str) else list(ids or ())}


def _greeted(app: Any, arguments: dict[str, Any]) -> Told:
    return "revoke", {"task_ids": list(arguments.get("revoked") or ())}


def _stamped(app: Any, arguments: dict[str, Any]) -> Told:
    return "stamps", {"stamps": dict(state.revoked_stamps)}


def _rated(app: Any, arguments: dict[str, Any]) -> Told:
    return "rate_limit", {"task_name": arguments["task_name"], "rate_limit": arguments["rate_limit"]}


def _timed(app: Any, arguments: dict[str, Any]) -> Told:
    task = app.tasks[arguments["task_name"]]
    return "time_limit", {"task_name": task.name, "soft": task.soft_time_limit, "hard": task.time_limit}


def _added(app: Any, arguments: dict[str, Any]) -> Told:
    return "add_consumer", {**arguments, "exchange_type": arguments.get("exchange_type") or "direct"}


def _cancelled(app: Any, arguments: dict[str, Any]) -> Told:
    return "cancel_consumer", {"queue": arguments["queue"]}


def _enabled(app: Any, arguments: dict[str, Any]) -> Told:
    return "enable_events", {}


def _disabled(app: Any, arguments: dict[str, Any]) -> Told:
    return "disable_events", {}


#: what the slots are told of a command that was done in the parent
_TOLD: dict[str, Callable[[Any, dict[str, Any]], Told]] = {
    "revoke": _revoked,
    "terminate": _revoked,
    "hello": _greeted,
    "revoke_by_stamped_headers": _stamped,
    "rate_limit": _rated,
    "time_limit": _timed,
    "add_consumer": _added,
    "cancel_consumer": _cancelled,
    "enable_events": _enabled,
    "disable_events": _disabled,
}
