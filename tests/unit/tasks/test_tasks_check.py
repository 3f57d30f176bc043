"""Which messages can be read as tasks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import KombuError
from kombu.message import Message

from celeriac.tasks.check import MalformedTask, check

app = Celery("shop", broker="memory://", set_as_current=False)


def message(payload: Any, **headers: Any) -> Message:
    return Message(
        json.dumps(payload).encode(),
        content_type="application/json",
        content_encoding="utf-8",
        headers={"id": "an-id", "task": "shop.add", **headers},
    )


def sent(signature: Any) -> Message:
    """The message that Celery makes of a signature."""
    options = {**signature.options, "task_id": "an-id"}
    made = app.amqp.as_task_v2(
        "an-id",
        "shop.add",
        signature.args,
        signature.kwargs,
        callbacks=options.get("link"),
        errbacks=options.get("link_error"),
        chain=options.get("chain"),
        chord=options.get("chord"),
        expires=60,
        countdown=5,
        time_limit=3,
        soft_time_limit=2.5,
    )
    return message(made.body, **made.headers)


add = app.signature("shop.add", (1, 2))


@pytest.mark.parametrize(
    "signature",
    [
        add,
        app.signature("shop.add", (1,), link=[add, add], link_error=[add]),
        app.signature("shop.add", chain=[dict(add), dict(chord([add], add))]),
        app.signature("shop.add", chord=dict(chord([add], chain(add, group(add, add))))),
        app.signature("shop.add", ([[[[["deep"]]]]],)),
    ],
)
def test_what_celery_sends_passes(signature):
    check(sent(signature))


def test_protocol_1_passes():
    made = app.amqp.as_task_v1("an-id", "shop.add", (1, 2), {})
    check(Message(json.dumps(made.body).encode(), content_type="application/json", content_encoding="utf-8"))


@pytest.mark.parametrize("name", ["id", "task"])
@pytest.mark.parametrize("value", [None, "", 7, ["x"], "x" * 2000, "\ud800", "a\0b"])
def test_a_name_that_makes_no_key_is_refused(name, value):
    with pytest.raises(MalformedTask, match=name):
        check(message([[], {}, None], **{name: value}))


@pytest.mark.parametrize("limits", ["x", [1], [1, "x"], [-1, None], [float("nan"), None], [True, None]])
def test_limits_that_would_leak_a_slot_are_refused(limits):
    with pytest.raises(MalformedTask, match="timelimit"):
        check(message([[], {}, None], timelimit=limits))


def test_a_message_may_nest_as_deep_as_a_canvas_does_and_no_deeper():
    deep: list[Any] = []
    for _ in range(120):
        deep = [deep]
    check(message([[deep], {}, None]))
    for _ in range(10):
        deep = [deep]
    with pytest.raises(MalformedTask, match="nests"):
        check(message([[deep], {}, None]))


def test_many_brackets_side_by_side_are_no_nesting():
    check(message([[[[] for _ in range(10_000)]], {}, None]))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
NAMES = [
    "id",
    "task",
    "lang",
    "root_id",
    "parent_id",
    "group",
    "shadow",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "retries",
    "group_index",
    "timelimit",
    "replaced_task_nesting",
    "ignore_result",
    "stamped_headers",
    "stamps",
    "eta",
    "expires",
]


@given(
    payload=anything | st.tuples(anything, anything, anything),
    headers=st.dictionaries(st.sampled_from(NAMES), anything),
)
def test_nothing_in_a_message_raises_anything_but_malformed(payload, headers):
    try:
        check(message(payload, **headers))
    except (MalformedTask, KombuError):
        return
    # What passes has the shape that Celery unpacks.
    if not isinstance(payload, dict):
        args, kwargs, _ = payload
        assert isinstance(args, list | tuple)
        assert isinstance(kwargs, dict)
