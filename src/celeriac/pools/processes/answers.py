"""What a slot answers its parent while it computes: a thread that reads the pipe between the two."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from typing import Any

from celery.worker import control, state
from kombu.utils.encoding import safe_repr

from celeriac.pools.inhand import snapshot


class Answers:
    """Answers questions at once, and hands what changes the consumer to the slot's own loop."""

    def __init__(self, slot: Any, line: Connection) -> None:
        self._slot = slot
        self._line = line

    def serve(self) -> None:
        """Read until the parent is gone, which ends this process: its lease lapses, and others go on."""
        try:
            while True:
                number, verb, arguments = self._line.recv()
                if verb == "tell":
                    self._line.send((number, self._told()))
                elif verb == "stop":
                    self._slot.stop()
                elif verb == "revoke":
                    state.revoked.update(arguments["task_ids"])
                elif verb == "stamps":
                    state.revoked_stamps.update(arguments["stamps"])
                else:
                    self._slot.call_soon(lambda verb=verb, arguments=arguments: self._do(verb, arguments))
        except (EOFError, OSError):
            os._exit(1)

    def _told(self) -> dict[str, list[dict[str, Any]]]:
        """Describe the tasks here as `celery inspect` does, with their arguments as text."""
        active = snapshot(state.active_requests)
        return {
            "active": [_info(it) for it in active],
            "reserved": [_info(it) for it in snapshot(state.reserved_requests) if it not in active],
            "scheduled": [
                {**it, "request": _plain(it["request"])}
                for it in control._iter_schedule_requests(self._slot.timer)
            ],
        }

    def _do(self, verb: str, arguments: dict[str, Any]) -> None:
        """Do in the loop what a command asks; Celery's own handlers did it in the parent, and have logged it."""
        consumer, tasks = self._slot.consumer, self._slot.app.tasks
        if verb == "rate_limit":
            tasks[arguments["task_name"]].rate_limit = arguments["rate_limit"]
            consumer.reset_rate_limits()
        elif verb == "time_limit":
            task = tasks[arguments["task_name"]]
            task.soft_time_limit, task.time_limit = arguments["soft"], arguments["hard"]
            # Celery's requests take a task's limits when its strategy is made.
            consumer.update_strategies()
        elif verb == "add_consumer":
            consumer.add_task_queue(**arguments)
        elif verb == "cancel_consumer":
            consumer.cancel_task_queue(arguments["queue"])
        elif verb in ("enable_events", "disable_events"):
            groups = consumer.event_dispatcher.groups
            if groups:
                (groups.add if verb == "enable_events" else groups.discard)("task")
        elif verb == "count":
            self._slot.count = arguments["count"]
            consumer.reset_rate_limits()


def _info(request: Any) -> dict[str, Any]:
    return {**_plain(request.info()), "stamps": _plain(getattr(request, "stamps", None) or {})}


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    """Give what surely crosses the pipe, and JSON after it."""
    return {key: it if _is_plain(it) else safe_repr(it) for key, it in info.items()}


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(it) for key, it in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)
