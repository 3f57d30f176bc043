"""Mending a letter: a new call in its message, with its chain, chord and callbacks kept, and the original kept too."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from celery.utils.saferepr import saferepr
from msgspec.structs import replace

from celeriac.deadletters.call import JSON, Call, Unreadable, call_of, kept_in_shape
from celeriac.deadletters.closed import closed
from celeriac.deadletters.letter import read_json, said_of
from celeriac.errors import LetterError
from celeriac.records import Letter
from celeriac.security import guard_of

if TYPE_CHECKING:
    from celery import Celery


_NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What to change in a call; what is None or empty stays.

    values: (path, value) pairs applied last, like ("kwargs.rows.0.price", 12).
    """

    task: str | None = None
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    values: tuple[tuple[str, Any], ...] = ()


def editable(letter: Letter, app: Celery) -> Call:
    """Give the call of a letter to begin an edit with; an empty one where nothing can be read."""
    try:
        return call_of(letter, app.conf.accept_content, guard_of(app))
    except Unreadable:
        # What a forger wants done afterwards is not to be sent under our seal.
        embed = _embed(letter) if guard_of(app) is None else dict(_NOTHING)
        return Call(task=letter.task or "", args=[], kwargs={}, embed=embed)


def edit(letter: Letter, change: Change, app: Celery) -> Letter:
    """Give the letter with its call changed, its body encoded as JSON, and its original message kept.

    A message that could not be read becomes a proper one; its task id stays, or becomes the letter's id. Where tasks
    are sealed or signed, it is so by this process.
    Raises: LetterError if a value has no place, or no task is named; SecurityError if this process may not send that.
    """
    call = editable(letter, app)
    args = change.args if change.args is not None else call.args
    kwargs = change.kwargs if change.kwargs is not None else call.kwargs
    document = json.loads(json.dumps({"args": args, "kwargs": kwargs}))
    for path, value in change.values:
        _put(document, path, value)
    task = change.task or call.task
    if not task:
        raise LetterError(
            "LETTER-012",
            f"letter {letter.id} does not say which task it is of.",
            known=sorted(name for name in app.tasks if not name.startswith("celery."))[:20],
            fix="name the task with --task",
        )
    mended_call = Call(task=task, embed=call.embed, protocol=call.protocol, **document)
    mended = _encoded(letter, mended_call, app)
    guard = guard_of(app)
    if guard is not None:
        body = [mended_call.args, mended_call.kwargs, mended_call.embed]
        guard.conceal(task, (mended.headers, {}, body, None))
        mended = closed(mended, guard)
    return replace(mended, original=letter.original or _original(letter))


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path like "kwargs.rows.0.price"; the last step may add a key, or an item at a list's end."""
    *steps, last = path.split(".")
    place: Any = document
    if not steps:
        raise _no_place(path, document)
    try:
        for step in steps:
            place = place[_index(place, step)]
        if isinstance(place, list) and _index(place, last) == len(place):
            place.append(value)
        else:
            place[_index(place, last)] = value
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _no_place(path, place) from error


def _no_place(path: str, place: object) -> LetterError:
    return LetterError(
        "LETTER-013",
        f'there is no "{path}" in this letter.',
        known=list(place)[:20] if isinstance(place, dict) else [],
        fix="begin with args.NUMBER or kwargs.NAME, and name each step as `celeriac dead show` does",
    )


def _index(place: Any, step: str) -> Any:
    return int(step) if isinstance(place, list) else step


def _encoded(letter: Letter, call: Call, app: Celery) -> Letter:
    headers = dict(letter.headers)
    # The new body is neither compressed nor, any more, what the old representations showed.
    headers.pop("compression", None)
    if call.protocol == 1:
        body = {**read_json(letter.body), "task": call.task, "args": call.args, "kwargs": call.kwargs}
        encoded = json.dumps(body).encode()
    else:
        task_id = letter.task_id or letter.id
        headers = {"lang": "py", "root_id": task_id, "parent_id": None, "group": None, **headers}
        headers.update(kept_in_shape(headers))
        headers.update(
            task=call.task,
            id=task_id,
            retries=0,
            eta=None,
            expires=None,
            argsrepr=saferepr(tuple(call.args), app.amqp.argsrepr_maxsize),
            kwargsrepr=saferepr(call.kwargs, app.amqp.kwargsrepr_maxsize),
        )
        encoded = json.dumps([call.args, call.kwargs, call.embed]).encode()
    said = said_of(headers, encoded, JSON)
    return replace(
        letter,
        body=encoded,
        content_type=JSON,
        content_encoding="utf-8",
        headers=headers,
        properties={"correlation_id": said.task_id, **letter.properties},
        task=said.task,
        task_id=said.task_id,
        root_id=said.root_id,
        parent_id=said.parent_id,
        group_id=said.group_id,
    )


def _embed(letter: Letter) -> dict[str, Any]:
    """Save what follows the task, where at least that can be read of a broken body."""
    body = read_json(letter.body)
    is_embed = isinstance(body, list) and len(body) == 3 and isinstance(body[2], dict)
    return dict(body[2]) if is_embed else dict(_NOTHING)


def _original(letter: Letter) -> dict[str, Any]:
    return {
        "body": base64.b64encode(letter.body).decode(),
        "content_type": letter.content_type,
        "content_encoding": letter.content_encoding,
        "headers": letter.headers,
        "properties": letter.properties,
    }


def read_values(pairs: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """Read "path=value" pairs; a value is JSON, or else the text itself.

    Raises: LetterError for one without "=".
    """
    values: list[tuple[str, Any]] = []
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals:
            raise LetterError(
                "LETTER-014", f'"{pair}" is not PATH=VALUE.', fix="write it like kwargs.price=12"
            )
        try:
            values.append((path.strip(), json.loads(text)))
        except ValueError:
            values.append((path.strip(), text))
    return tuple(values)
