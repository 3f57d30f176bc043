"""What a letter's message calls: a task, its arguments, and what Celery wants done afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from kombu.exceptions import KombuError
from kombu.serialization import loads as kombu_loads
from kombu.serialization import prepare_accept_content
from kombu.utils import json as kombu_json

from celeriac.deadletters.closed import opened
from celeriac.errors import SecurityError
from celeriac.records import Letter
from celeriac.security import Guard

JSON = "application/json"
_loads: Callable[..., Any] = kombu_loads
_prepare_accept: Callable[..., Any] = prepare_accept_content
_dumps_json: Callable[[Any], str] = kombu_json.dumps


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A task call in plain JSON values; dates and the like stay as kombu spells them.

    embed: callbacks, errbacks, chain and chord of Celery's message protocol 2.
    protocol: 1 if the body says everything, 2 if the headers do.
    """

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    embed: dict[str, Any]
    protocol: int = 2


class Unreadable(Exception):
    """The message calls nothing; the text says why."""


def call_of(letter: Letter, accept_content: list[str], guard: Guard | None = None) -> Call:
    """Read the call of a letter as a worker would.

    accept_content: the app's setting; content it does not name is not decoded, least of all pickle.
    guard: the app's; what it would not let run calls nothing.
    Raises: Unreadable.
    """
    if guard is not None:
        try:
            letter = opened(letter, guard)
        except SecurityError as refusal:
            raise Unreadable(refusal.message) from refusal
    body = _decoded(letter, accept_content)
    if "task" in letter.headers:
        return _protocol_2(letter.headers, body)
    if not isinstance(body, dict):
        raise Unreadable("neither the headers nor the body name a task")
    task: Any = body.get("task")
    args, kwargs = body.get("args") or [], body.get("kwargs") or {}
    if not (_is_name(task) and _is_name(body.get("id"))):
        raise Unreadable("neither the headers nor the body name a task and its id")
    if not (isinstance(args, list) and isinstance(kwargs, dict)):
        raise Unreadable("its args are no list, or its kwargs no object")
    return Call(task=task, args=args, kwargs=kwargs, embed={}, protocol=1)


def _decoded(letter: Letter, accept_content: list[str]) -> Any:
    accept = _prepare_accept(accept_content)
    if letter.content_type not in accept:
        raise Unreadable(f"its content type is {letter.content_type!r}, which the app does not accept")
    try:
        if letter.content_type == JSON:
            return json.loads(letter.body)
        return json.loads(
            _dumps_json(_loads(letter.body, letter.content_type, letter.content_encoding, accept))
        )
    except (ValueError, TypeError, LookupError, RecursionError, KombuError) as error:
        raise Unreadable(f"its body cannot be decoded ({error})") from error


def _protocol_2(headers: Mapping[str, Any], body: Any) -> Call:
    if not (_is_name(headers.get("task")) and _is_name(headers.get("id"))):
        raise Unreadable("its headers name no task, or no task id")
    if not (isinstance(body, list) and len(body) == 3):
        raise Unreadable("its body is not [args, kwargs, embed]")
    args, kwargs, embed = body
    if not (isinstance(args, list) and isinstance(kwargs, dict) and isinstance(embed, dict | None)):
        raise Unreadable("its args are no list, or its kwargs or embed no object")
    for name, value in kept_in_shape(headers).items():
        if headers[name] != value:
            raise Unreadable(f'its header "{name}" has the wrong shape')
    return Call(task=headers["task"], args=args, kwargs=kwargs, embed=embed or {})


def kept_in_shape(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Give those headers a worker computes with, each as it is if it has the right shape, else without a value."""
    shaped: dict[str, Any] = {}
    if "timelimit" in headers:
        shaped["timelimit"] = headers["timelimit"] if _is_timelimit(headers["timelimit"]) else [None, None]
    for name in ("root_id", "parent_id", "group", "shadow"):
        if name in headers:
            shaped[name] = headers[name] if isinstance(headers[name], str | None) else None
    return shaped


def _is_timelimit(value: object) -> bool:
    return value is None or (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(part is None or (isinstance(part, int | float) and part >= 0) for part in value)
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)
