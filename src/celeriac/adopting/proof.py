"""The proof: what an app is set to without the plan and with it, held against each other."""

from __future__ import annotations

from typing import Any

import msgspec

from celeriac.adopting.snapshot import Snapshot
from celeriac.errors import redacted

#: settings through which Celeriac works, or whose meaning is compared by what comes of them: addresses and routes
_BY_OTHER_MEANS = {
    "worker_consumer",
    "broker_url",
    "result_backend",
    "task_queues",
    "task_routes",
    "beat_schedule",
    "include",
}
#: settings that are None until somebody says something → the setting that holds meanwhile
_MEANWHILE = {
    "broker_connection_retry_on_startup": "broker_connection_retry",
    "task_acks_on_failure": "task_acks_on_failure_or_timeout",
    "task_acks_on_timeout": "task_acks_on_failure_or_timeout",
}
#: settings and attributes of which None, False and 0 mean the same
_EMPTY_MEANS_NO = {"task_time_limit", "time_limit", "task_reject_on_worker_lost", "reject_on_worker_lost"}
#: without a limit of any kind Celeriac kills a task after an hour; 0 says that there is none
_NO_LIMIT = "task_time_limit"
_TRANSPORT = "broker_transport"
#: of the transport, which is kept as it was, and so are they
_OPTIONS = "broker_transport_options"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not the same: what, without the plan, with it."""

    what: str
    before: Any
    after: Any


def pins_between(before: Snapshot, after: Snapshot, *, has_pool_limits: bool) -> dict[str, Any]:
    """Give the settings by which a plan keeps what the app had, as the difference of two snapshots tells.

    has_pool_limits: pools have time limits, over which a setting would win, since senders write it into each message.
    """
    pins = {
        each.what: _kept(before, each.what)
        for each in _settings(before, after)
        if each.what not in {*before.own, _OPTIONS}
        and _kept(before, each.what) is not None
        and not _is_same(each.what, _kept(before, each.what), each.after)
    }
    if before.settings.get(_NO_LIMIT) is None and not has_pool_limits:
        pins[_NO_LIMIT] = 0
    return pins


def differences(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Give everything that is not the same; empty proves that the plan changes nothing."""
    found = [
        each
        for each in _settings(before, after)
        if not _is_same(each.what, _kept(before, each.what), each.after)
    ]
    found += [
        Difference(what=what, before=one, after=other)
        for what, one, other in (
            ("broker", before.broker, after.broker),
            ("result backend", before.backend, after.backend),
        )
        if one != other
    ]
    found += _maps("task", before.tasks, after.tasks)
    found += _maps("schedule", before.schedules, after.schedules)
    return [
        Difference(what=each.what, before=_shown(each.before), after=_shown(each.after)) for each in found
    ]


def _shown(value: Any) -> Any:
    """Give a value without the passwords of URLs."""
    return redacted(value) if isinstance(value, str) else value


def _settings(before: Snapshot, after: Snapshot) -> list[Difference]:
    return [
        Difference(what=name, before=value, after=after.settings.get(name))
        for name, value in before.settings.items()
        if name not in _BY_OTHER_MEANS and value != after.settings.get(name)
    ]


def _kept(before: Snapshot, name: str) -> Any:
    """Give the value that says what the app had, where None says it only by another."""
    value = before.settings.get(name)
    if value is None and name in _MEANWHILE:
        return before.settings.get(_MEANWHILE[name])
    if value is None and name == _TRANSPORT:
        return before.broker.partition("://")[0].partition("+")[0]
    return value or 0 if name == _NO_LIMIT else value or False if name in _EMPTY_MEANS_NO else value


def _is_same(key: str, one: Any, other: Any) -> bool:
    if key == "route" and isinstance(one, dict) and isinstance(other, dict):
        return all(_is_same(each, one.get(each), other.get(each)) for each in {*one, *other})
    return one == other or (key in _EMPTY_MEANS_NO and not one and not other)


def _maps(kind: str, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[Difference]:
    found = []
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            found.append(Difference(what=f"{kind} {name}", before=one and "there", after=other and "there"))
            continue
        for key in sorted({*one, *other}):
            was, became = one.get(key), other.get(key)
            if not _is_same(key, was, became):
                found.append(Difference(what=f"{kind} {name}, {key}", before=was, after=became))
    return found
