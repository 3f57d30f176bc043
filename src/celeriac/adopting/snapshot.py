"""A snapshot: what a Celery app is set to, task by task; taken in a process of its own.

`main` is given FD APP [PLAN], and writes the snapshot as JSON to the descriptor FD. APP is as for `celery -A`, taken
from the working folder. With PLAN, a plan's file, the app is adopted first.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

#: what the process may not do while it imports the project
_REFUSED = ("socket.connect", "socket.getaddrinfo")

#: attributes of a task that say how it is run
_OF_A_TASK = (
    "acks_late", "acks_on_failure_or_timeout", "reject_on_worker_lost", "serializer", "time_limit",
    "soft_time_limit", "rate_limit", "max_retries", "default_retry_delay", "ignore_result", "track_started",
    "store_errors_even_if_ignored", "expires", "priority", "send_events", "autoretry_for", "retry_backoff",
    "retry_backoff_max", "retry_jitter", "result_expires",
)  # fmt: skip


class Snapshot(msgspec.Struct, kw_only=True):
    """What an app is set to, as plain values: other objects are written as the name of their type.

    settings: every setting of Celery; own: those that the project sets itself; unknown: names Celery does not know.
    broker, results: URLs with their passwords, as they are used.
    queues: those a worker reads that is told none. tasks: name → its attributes and its route.
    schedules: name → what is sent when. modules: where each task is defined. connected: who tried to connect where.
    """

    name: str
    settings: dict[str, Any]
    own: list[str]
    unknown: list[str]
    broker: str
    results: str
    backend: str
    queues: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    schedules: dict[str, dict[str, Any]]
    is_django: bool
    connected: list[str]


class Failure(msgspec.Struct, kw_only=True):
    """Why there is no snapshot: what was raised, and where."""

    kind: str
    message: str
    at: str | None
    missing: str | None
    connected: list[str]


Taken = Snapshot | Failure


def refuse_connections() -> list[str]:
    """Have every attempt to connect fail as if nobody were there; give a list that names them."""
    tried: list[str] = []

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            place = arguments[1] if event == "socket.connect" else arguments[:2]
            tried.append(f"{place}")
            raise ConnectionRefusedError(111, "no connection is made while a project is adopted")

    sys.addaudithook(refuse)
    return tried


def take(app_path: str, plan: Path | None, connected: list[str]) -> Snapshot:
    """Import the app with all its tasks and give what it is set to.

    Raises: whatever the project raises.
    """
    app = _loaded(app_path, plan)
    app.loader.import_default_modules()
    app.finalize(auto=True)
    conf = app.conf
    from celery.app.defaults import SETTING_KEYS  # noqa: PLC0415 - the project's first import of Celery is its own

    names = sorted(SETTING_KEYS - {"deprecated_settings"})
    own = [name for name in names if conf.value_set_for(name)]
    # The transport is not opened: as_uri only writes the address.
    with app.connection_for_write() as connection:
        broker = connection.as_uri(include_password=True)
    return Snapshot(
        name=app.main or app_path.partition(".")[0].partition(":")[0],
        settings={name: plain(conf[name]) for name in names},
        own=own,
        unknown=sorted(_unknown(app)),
        broker=str(conf.broker_url or broker),
        results=str(conf.result_backend or ""),
        backend=_backend(app),
        queues={name: _queue(queue) for name, queue in app.amqp.queues.items()},
        tasks={name: _task(app, task) for name, task in app.tasks.items() if not name.startswith("celery.")},
        schedules={name: plain(dict(entry)) for name, entry in _entries(conf.beat_schedule)},
        is_django="django" in sys.modules and bool(os.environ.get("DJANGO_SETTINGS_MODULE")),
        connected=connected,
    )


def _loaded(app_path: str, plan: Path | None) -> Any:
    if plan is not None:
        from celeriac.app import load_app  # noqa: PLC0415 - only with a plan
        from celeriac.plan import read_plan  # noqa: PLC0415

        return load_app(read_plan(plan), app_path)
    from celery.app.utils import find_app  # noqa: PLC0415

    return find_app(app_path)


def _entries(schedule: Any) -> Iterator[tuple[str, Any]]:
    for name, entry in (schedule or {}).items():
        yield str(name), entry if isinstance(entry, dict) else {"entry": entry}


def _backend(app: Any) -> str:
    try:
        return type(app.backend).__qualname__
    except Exception as error:  # its client may be missing, which is no reason not to read the rest
        return f"{type(error).__name__}: {error}"


def _task(app: Any, task: Any) -> dict[str, Any]:
    from celery.app.task import extract_exec_options  # noqa: PLC0415

    options = {name: value for name, value in extract_exec_options(task).items() if value is not None}
    route = app.amqp.router.route(options, task.name, task_type=task)
    queue = route.pop("queue", None)
    said = {name: plain(getattr(task, name)) for name in _OF_A_TASK if hasattr(task, name)}
    return {
        **said,
        "module": task.__module__,
        "queue": _queue(queue) if hasattr(queue, "name") else plain(queue),
        "route": plain(route),
    }


def _queue(queue: Any) -> dict[str, Any]:
    exchange = queue.exchange
    return {
        "name": queue.name,
        "exchange": exchange.name if exchange else None,
        "type": exchange.type if exchange else None,
        "routing_key": queue.routing_key,
        "arguments": plain(queue.queue_arguments),
    }


def _unknown(app: Any) -> Iterator[str]:
    """Name what the project's configuration says that Celery does not know."""
    from celery.app.defaults import _OLD_SETTING_KEYS, SETTING_KEYS  # noqa: PLC0415

    conf = app.conf
    prefix = (conf.prefix or "").upper()
    for layer in conf.maps[:-1]:
        for key in _keys(layer):
            name = str(key)
            if prefix and name.upper().startswith(prefix):
                name = name[len(prefix) :]
            elif prefix or name.startswith("_"):
                continue
            known = SETTING_KEYS | _OLD_SETTING_KEYS
            if name.lower() in known or name.upper() in known or not _is_setting_like(name):
                continue
            # A framework's own key, from which the code has set the real one.
            meant = name.lower().removeprefix("celery_")
            if meant not in SETTING_KEYS or conf[meant] != layer[key]:
                yield name.lower()


def _keys(layer: Any) -> list[Any]:
    try:
        return list(layer)
    except (TypeError, RuntimeError):
        return []


def _is_setting_like(name: str) -> bool:
    return name.lower().startswith(
        ("task_", "worker_", "broker_", "result_", "beat_", "celery", "event_", "control_")
    )


def plain(value: Any) -> Any:
    """Give a value as JSON has it; spans in seconds, objects by what they are called."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        written = [plain(each) for each in value]
        return sorted(written, key=str) if isinstance(value, set | frozenset) else written
    if isinstance(value, type) or callable(value):
        return (
            f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
        )
    text = repr(value)
    return type(value).__qualname__ if " at 0x" in text else text


def _place(error: BaseException) -> str | None:
    """Give the last line of the project's own that led there, else the last one at all."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")
    ]
    here = str(Path.cwd())
    own = [
        frame for frame in frames if frame.filename.startswith(here) and "site-packages" not in frame.filename
    ]
    # Celery's find_app words anew what broke; its cause knows the line.
    if not own and error.__cause__ is not None:
        return _place(error.__cause__)
    last = (own or frames)[-1:]
    return f"{last[0].filename}:{last[0].lineno}" if last else None


def main(arguments: list[str]) -> None:
    """Take the snapshot that the command line asks for, and write it to the descriptor it names."""
    descriptor, app_path, *rest = arguments
    sys.path.insert(0, str(Path.cwd()))
    connected = refuse_connections()
    taken: Taken
    try:
        taken = take(app_path, Path(rest[0]) if rest else None, connected)
    except Exception as error:  # whatever the project raises is what is asked for
        taken = Failure(
            kind=type(error).__qualname__,
            message=str(error),
            at=_place(error),
            missing=error.name if isinstance(error, ModuleNotFoundError) else None,
            connected=connected,
        )
    kind = "snapshot" if isinstance(taken, Snapshot) else "failure"
    with os.fdopen(int(descriptor), "wb") as out:
        out.write(msgspec.json.encode({kind: msgspec.structs.asdict(taken)}, enc_hook=str))
    # What the project has started, threads among it, is not waited for.
    sys.stdout.flush()
    os._exit(0)
