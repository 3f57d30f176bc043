"""Writing the plan of an adopted project: its queues and workers as they are, Celery's values where ours differ."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from celeriac.adopting.lines import CommandLine
from celeriac.adopting.snapshot import Snapshot
from celeriac.errors import redacted

_NAME = re.compile(r"[^A-Za-z0-9._-]+")
#: options of a worker that a pool has a key for: option → (key, how it is written)
_KEYS = {
    "pool": ("executor", "text"),
    "concurrency": ("concurrency", "number"),
    "prefetch_multiplier": ("prefetch", "number"),
    "time_limit": ("time_limit", "seconds"),
    "soft_time_limit": ("soft_time_limit", "seconds"),
    "max_tasks_per_child": ("max_tasks_per_child", "number"),
    "max_memory_per_child": ("max_memory_per_child", "kibibytes"),
}
_EXECUTORS = ("prefork", "threads", "solo", "gevent", "eventlet")
#: what an app without a result backend has
NO_RESULTS = "disabled://"


class PoolDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One pool to write: its keys as TOML, in order, and where they come from."""

    name: str
    queues: tuple[str, ...]
    values: dict[str, str]
    at: str


def pools_of(snapshot: Snapshot, lines: Sequence[CommandLine]) -> list[PoolDraft]:
    """Give a pool for each way in which workers are started; queues that none of them reads get one that rests."""
    unsaid = tuple(snapshot.queues)
    drafts: list[PoolDraft] = []
    for line in [line for line in lines if line.kind == "worker"]:
        said = tuple(filter(None, line.options.get("queues", "").split(",")))
        values = dict(_values(line.options))
        if any(draft.queues == (said or unsaid) and draft.values == values for draft in drafts):
            continue
        host = line.options.get("hostname", "").partition("@")[0].partition("%")[0]
        name = _name(host or (said[0] if said else "default"))
        taken = [draft.name for draft in drafts]
        number = next((f"{name}-{n}" for n in range(2, 100) if f"{name}-{n}" not in taken), name)
        drafts.append(
            PoolDraft(
                name=number if name in taken else name, queues=said or unsaid, values=values, at=line.at
            )
        )
    drafts = [_with_limit(draft) if _is_unlimited(draft, drafts, snapshot) else draft for draft in drafts]
    if not drafts:
        every = tuple(dict.fromkeys((*unsaid, *_routed(snapshot))))
        drafts.append(
            PoolDraft(name="default", queues=every, values={}, at="no worker is started by a file here")
        )
    read = {queue for draft in drafts for queue in draft.queues}
    unread = tuple(queue for queue in dict.fromkeys((*unsaid, *_routed(snapshot))) if queue not in read)
    if unread:
        drafts.append(
            PoolDraft(
                name="unread",
                queues=unread,
                values={"replicas": "0"},
                at="no worker that was found reads these",
            )
        )
    return drafts


def plan_text(
    snapshot: Snapshot,
    app_path: str,
    pools: Sequence[PoolDraft],
    pins: Mapping[str, Any],
    *,
    beats: int,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Give the plan as TOML.

    pins: settings of Celery to keep as they are; beats: how many are to run.
    """
    variables = os.environ if environ is None else environ
    head = {
        "name": _name(snapshot.name),
        "app": app_path,
        "broker": address(snapshot.broker, variables, "CELERY_BROKER_URL"),
        "results": address(snapshot.results or NO_RESULTS, variables, "CELERY_RESULT_BACKEND"),
    }
    parts = ["# Written by `celeriac adopt`: it changes nothing of what the app does.", ""]
    parts += ["[celeriac]", *(f"{key} = {_toml(value)}" for key, value in head.items()), ""]
    for queue in dict.fromkeys(queue for pool in pools for queue in pool.queues):
        parts += [f"[queues.{_key(queue)}]"]
    for pool in pools:
        parts += ["", f"[pools.{_key(pool.name)}]  # {pool.at}", f"queues = {_toml(list(pool.queues))}"]
        parts += [f"{key} = {value}" for key, value in pool.values.items()]
    if beats:
        parts += ["", "[beat]", f"replicas = {beats}"]
    if pins:
        parts += [
            "",
            "# Celery's own values, where Celeriac would set others; remove a line to take Celeriac's.",
            "[celery]",
        ]
        parts += [f"{name} = {_toml(value)}" for name, value in sorted(pins.items())]
    return "\n".join([*parts, ""])


def address(url: str, environ: Mapping[str, str], variable: str) -> str:
    """Write a URL as a plan may have it: by the variable that holds it, and never with its password."""
    # Broker and results may be one server, named by two variables.
    for name in (variable, *environ):
        if environ.get(name) == url and "://" in url:
            return f"${{{name}}}"
    is_secret = redacted(url) != url and not re.search(r"//guest:guest@(localhost|127\.0\.0\.1)", url)
    return f"${{{variable}}}" if is_secret else url


def _values(options: Mapping[str, str]) -> list[tuple[str, str]]:
    written: list[tuple[str, str]] = []
    most, comma, least = options.get("autoscale", "").partition(",")
    if most.isdecimal():
        written.append(
            (
                "autoscale",
                f"{{ min = {least if comma and least.isdecimal() and int(least) else 1}, max = {most} }}",
            )
        )
    for option, (key, kind) in _KEYS.items():
        value = options.get(option, "").strip()
        if option == "concurrency" and most:
            continue
        if kind == "text" and value in _EXECUTORS:
            written.append((key, f'"{value}"'))
        elif kind != "text" and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            written.append((key, {"seconds": f'"{value}s"', "kibibytes": f'"{value}KiB"'}.get(kind, value)))
    for flag, key in (("without_gossip", "gossip"), ("without_mingle", "mingle")):
        if flag in options:
            written.append((key, "false"))
    return written


def _is_unlimited(draft: PoolDraft, drafts: Sequence[PoolDraft], snapshot: Snapshot) -> bool:
    """Say whether a pool must say itself that it has no limit: others have one, so the setting cannot."""
    if snapshot.settings["task_time_limit"] or draft.values.get("executor", '"prefork"') != '"prefork"':
        return False
    has_none = not {"time_limit", "soft_time_limit"} & set(draft.values)
    return has_none and any("time_limit" in other.values for other in drafts)


def _with_limit(draft: PoolDraft) -> PoolDraft:
    return msgspec.structs.replace(draft, values={**draft.values, "time_limit": '"3650d"'})


def _routed(snapshot: Snapshot) -> list[str]:
    return [task["queue"]["name"] for task in snapshot.tasks.values() if isinstance(task["queue"], dict)]


def _name(text: str) -> str:
    return _NAME.sub("-", text).strip("-._") or "project"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(str(key))} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
