"""Whether a message can be read as a task, decided before Celery touches it.

Celery trusts what it finds: a wrong type in a header stops the worker or leaks a slot of its pool. What passes here can
be turned into a request, logged, sent through a pipe and answered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.utils.time import maybe_iso8601, maybe_make_aware, timezone
from kombu.asynchronous.timer import to_timestamp

#: of an id or a name; keys and log lines are made from them
_NAME_CHARS = 1024
#: of any other text in a header
_TEXT_CHARS = 256 * 1024
#: of lists and objects within each other; pickling and logging recurse, and Python stops at 1000 frames
_NESTING = 128

_TEXT = frozenset({str})
_INT = frozenset({int})
_HEADERS: tuple[tuple[str, frozenset[type]], ...] = (
    ("lang", _TEXT),
    ("root_id", _TEXT),
    ("parent_id", _TEXT),
    ("group", _TEXT),
    ("shadow", _TEXT),
    ("argsrepr", _TEXT),
    ("kwargsrepr", _TEXT),
    ("origin", _TEXT),
    ("retries", _INT),
    ("group_index", _INT),
    ("replaced_task_nesting", _INT),
    ("ignore_result", frozenset({bool, int})),
    ("stamped_headers", frozenset({list, tuple})),
    ("stamps", frozenset({dict})),
)


class MalformedTask(InvalidTaskError):
    """A message cannot be read as a task; says which part is wrong."""


class PoisonTask(InvalidTaskError):
    """A message has killed its worker as often as the plan allows, and is not run again."""


def check(message: Any) -> None:
    """See that a message is a task, in protocol 2, in protocol 1 or between the two.

    Raises: MalformedTask; kombu's DecodeError or ContentDisallowed if the body cannot be decoded.
    """
    payload = message.payload
    headers = message.headers
    if type(payload) is dict:
        _check_fields({**payload, **headers})
        _check_arguments(payload.get("args", ()), payload.get("kwargs", {}))
        _check_canvas(payload)
    else:
        _check_fields(headers)
        if not isinstance(payload, list | tuple) or len(payload) != 3:
            raise MalformedTask("the body is not a list of arguments, keyword arguments and canvas")
        args, kwargs, canvas = payload
        _check_arguments(args, kwargs)
        if canvas is not None:
            if not isinstance(canvas, dict):
                raise MalformedTask(f"the canvas is {_kind(canvas)}, not an object")
            _check_canvas(canvas)
    _check_nesting(message.body, payload)


def check_name(headers: Mapping[str, Any], field: str) -> None:
    """See that `field` is a name fit for keys and logs.

    Raises: MalformedTask.
    """
    name = headers.get(field)
    if type(name) is not str:
        raise MalformedTask(f'header "{field}" is {_kind(name)}, not text')
    if not name or len(name) > _NAME_CHARS:
        raise MalformedTask(f'header "{field}" has {len(name)} characters, not 1 to {_NAME_CHARS}')
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise MalformedTask(f'header "{field}" is not valid Unicode') from None
    if "\0" in name:
        raise MalformedTask(f'header "{field}" contains a NUL')


def _check_fields(headers: Mapping[str, Any]) -> None:
    check_name(headers, "id")
    check_name(headers, "task")
    get = headers.get
    for name, kinds in _HEADERS:
        value = get(name)
        if value is not None and type(value) not in kinds:
            raise MalformedTask(f'header "{name}" is {_kind(value)}')
    for name, value in headers.items():
        if type(value) is str and len(value) > _TEXT_CHARS:
            raise MalformedTask(f'header "{name[:80]}" has {len(value)} characters, more than {_TEXT_CHARS}')
    if (get("retries") or 0) < 0:
        raise MalformedTask('header "retries" is negative')
    for stamp in get("stamped_headers") or ():
        if type(stamp) is not str:
            raise MalformedTask(f'a name in header "stamped_headers" is {_kind(stamp)}, not text')
    if get("eta") is not None:
        _check_time(headers, "eta")
    if get("expires") is not None:
        _check_time(headers, "expires")
    limits = get("timelimit")
    if limits is not None:
        _check_limits(limits)


def _check_time(headers: Mapping[str, Any], field: str) -> None:
    text = headers[field]
    if not isinstance(text, str | datetime):
        raise MalformedTask(f'header "{field}" is {_kind(text)}, not a time')
    try:
        moment = maybe_iso8601(text)
        if moment is None:
            raise MalformedTask(f'header "{field}" is empty')
        # The conversion that the worker's timer will make; it fails near the ends of the calendar.
        to_timestamp(timezone.to_system(maybe_make_aware(moment)))
    except (ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise MalformedTask(f'header "{field}" is not a time: {str(error)[:200]}') from None


def _check_limits(limits: Any) -> None:
    if not isinstance(limits, list | tuple) or len(limits) != 2:
        raise MalformedTask('header "timelimit" is not a pair')
    for limit in limits:
        if limit is None:
            continue
        if type(limit) not in (int, float) or not math.isfinite(limit) or limit < 0:
            raise MalformedTask('header "timelimit" holds something other than seconds')


def _check_arguments(args: Any, kwargs: Any) -> None:
    if not isinstance(args, list | tuple):
        raise MalformedTask(f"the arguments are {_kind(args)}, not a list")
    if not isinstance(kwargs, dict):
        raise MalformedTask(f"the keyword arguments are {_kind(kwargs)}, not an object")
    for key in kwargs:
        if type(key) is not str:
            raise MalformedTask(f"a keyword is {_kind(key)}, not text")


def _check_canvas(canvas: Mapping[str, Any]) -> None:
    for name in ("callbacks", "errbacks", "chain"):
        links = canvas.get(name)
        if not links:
            continue
        if not isinstance(links, list | tuple):
            raise MalformedTask(f'"{name}" is {_kind(links)}, not a list of tasks')
        for link in links:
            if not (_is_signature(link) or (name == "errbacks" and type(link) is str)):
                raise MalformedTask(f'"{name}" holds {_kind(link)}, not a task')
    chord = canvas.get("chord")
    if chord is not None and not _is_signature(chord):
        raise MalformedTask(f'"chord" is {_kind(chord)}, not a task')


def _is_signature(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("task")) is str


def _check_nesting(body: Any, payload: Any) -> None:
    # Counting brackets costs next to nothing, and few brackets cannot nest deeply.
    if isinstance(body, bytes) and body.count(b"[") + body.count(b"{") <= _NESTING:
        return
    level, depth = [payload], 0
    while level:
        depth += 1
        if depth > _NESTING:
            raise MalformedTask(f"the body nests more than {_NESTING} levels")
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list | tuple)
        ]


def _kind(value: Any) -> str:
    return "missing" if value is None else type(value).__name__
