"""How a result is kept: for how long, and packed by what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from celery import states
from celery.app.task import Context
from celery.backends.base import Backend, compress_payload
from kombu.utils.encoding import str_to_bytes

#: as a task's `result_compression`: its results are not packed, whatever the app's others are
UNPACKED = "none"


class Kept(NamedTuple):
    """A result as it is stored. keep_s: seconds from now; None: for good."""

    payload: bytes
    keep_s: float | None


class Keeps(Backend):
    """The part of a backend that settles for how long it tries, and how results are kept.

    A task may have `result_expires` (a timedelta or seconds; 0: for good) and `result_compression` (a name of kombu's,
    or "none"), which go before the app's settings.
    """

    def be_patient(self) -> None:
        """Take on our defaults where the app says nothing else; called once, by the constructor."""
        conf = self.app.conf
        if not conf.value_set_for("result_backend_always_retry"):
            self.always_retry = True
        if not conf.value_set_for("result_backend_max_retries"):
            self.max_retries = 10
        # Stock Celery's backends may have cut it down to whole seconds.
        self.expires = _seconds(conf.get("result_expires"))
        failure_expires = conf.get("result_failure_expires")
        self.failure_expires = self.expires if failure_expires is None else _seconds(failure_expires)

    def _get_result_meta(
        self, result: Any, state: str, traceback: str | None, request: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Give what Celery's gives; without asking the settings, and for the time of day, anew for each result."""
        if not self._is_plain or not isinstance(request, Context) or args or kwargs:
            return super()._get_result_meta(result, state, traceback, request, *args, **kwargs)
        is_ready = state in self.READY_STATES
        meta: dict[str, Any] = {
            "status": state,
            "result": result,
            "traceback": traceback,
            "children": self.current_task_children(request),
            "date_done": datetime.now(UTC).isoformat() if is_ready else None,
        }
        if request.group:
            meta["group_id"] = request.group
        if request.parent_id:
            meta["parent_id"] = request.parent_id
        return meta

    @cached_property
    def _is_plain(self) -> bool:
        """Results are not extended, and the app's clock is UTC."""
        return str(self.app.timezone) == "UTC" and not self.app.conf.find_value_for_key("extended", "result")

    def kept(self, task_id: str, result: Any, state: str, traceback: str | None, request: Any) -> Kept:
        """Give a task's state and value as they are to be stored."""
        meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
        meta["task_id"] = task_id
        task = self.app.tasks.get(getattr(request, "task", None) or "")
        expires = getattr(task, "result_expires", None)
        if expires is None:
            keep_s = self.failure_expires if state == states.FAILURE else self.expires
        else:
            keep_s = _seconds(expires)
        compression = getattr(task, "result_compression", None) or self.compression
        payload = self._encode(meta)[2]
        if compression and compression != UNPACKED:
            payload = compress_payload(payload, compression)
        return Kept(str_to_bytes(payload), keep_s or None)

    def octets(self, data: Any) -> bytes:
        """Encode as the app says."""
        return str_to_bytes(self.encode(data))


def _seconds(span: timedelta | float | None) -> float | None:
    # A float in any case: PostgreSQL's driver takes no list of both.
    return span.total_seconds() if isinstance(span, timedelta) else None if span is None else float(span)
