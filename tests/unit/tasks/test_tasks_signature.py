"""A signature of a task of ours: Celery's in all that can be seen of it, in canvas of any kind."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import celery
import pytest
from celery import Celery, canvas, chain, chord, group, signals
from celery.canvas import StampingVisitor
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.utils.json import dumps

from celeriac import Plan, create_app
from celeriac.tasks.signature import Signature

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def _app(kind: str) -> Celery:
    if kind == "ours":
        app = create_app(Plan(name="signed", broker="memory://", results="cache+memory://"))
    else:
        app = Celery("signed", broker="memory://", backend="cache+memory://", set_as_current=False)
        for name in ("task_acks_late", "task_default_queue", "accept_content", "enable_utc"):
            app.conf[name] = APPS[0].conf[name]

    @app.task(name="signed.add", shared=False, typing=False)
    def add(*args: Any, **kwargs: Any) -> None: ...

    return app


APPS: list[Celery] = []
APPS += [_app("ours")]
APPS += [_app("stock")]

ids = st.uuids().map(str)
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8)
arguments = st.lists(plain | st.lists(plain, max_size=2), max_size=3)
words = st.dictionaries(st.sampled_from(["x", "y", "z"]), plain, max_size=2)
options = st.fixed_dictionaries(
    {},
    optional={
        "task_id": ids,
        "queue": st.sampled_from(["default", "other"]),
        "priority": st.integers(0, 9),
        "countdown": st.integers(1, 9),
        "expires": st.integers(1, 1000),
        "group_id": ids,
        "root_id": ids,
        "parent_id": ids,
        "reply_to": st.just("somebody"),
        "chord": st.none(),
        "shadow": st.none() | st.text(max_size=3),
        "headers": st.dictionaries(st.text(max_size=3), plain, max_size=2),
        "serializer": st.sampled_from(["json", "pickle"]),
        "stamped_headers": st.just(["stamp"]),
        "stamp": st.sampled_from(["a", "b"]),
    },
)


def _of(app: Celery, args: Any, kwargs: Any, said: Any, immutable: bool) -> Any:
    return app.tasks["signed.add"].signature(
        tuple(args), dict(kwargs), options=dict(said), immutable=immutable
    )


def _both(*how: Any) -> tuple[Any, Any]:
    ours, stock = (_of(app, *how) for app in APPS)
    assert type(ours) is Signature
    assert type(stock) is canvas.Signature
    return ours, stock


def _seen(signature: Any) -> Any:
    return list(signature.items()), repr(signature), json.dumps(signature), pickle.dumps(signature)


@given(arguments, words, options, st.booleans(), arguments, words, options)
@settings(max_examples=200, deadline=None)
def test_it_is_cloned_as_celery_clones_it(
    args: Any, kwargs: Any, said: Any, immutable: bool, more: Any, named: Any, other: Any
) -> None:
    ours, stock = _both(args, kwargs, said, immutable)
    assert _seen(ours) == _seen(stock)
    assert _seen(ours.clone()) == _seen(stock.clone())
    assert _seen(ours.clone(more, named, **other)) == _seen(stock.clone(more, named, **other))
    assert _seen(ours.replace(more)) == _seen(stock.replace(more))
    cloned = ours.clone()
    assert cloned.type is ours.type
    cloned.kwargs["new"] = 1
    cloned.options.setdefault("headers", {})["new"] = 1
    assert _seen(ours) == _seen(stock)
    assert copy.deepcopy(ours) == copy.deepcopy(stock)
    assert dumps(pickle.loads(pickle.dumps(ours))) == dumps(stock)


@given(
    arguments,
    options,
    st.fixed_dictionaries(
        {"_id": st.none() | ids},
        optional={
            "group_id": st.none() | ids,
            "root_id": st.none() | ids,
            "parent_id": ids,
            "group_index": st.none() | st.integers(0, 3),
            "chord": st.just({"task": "body"}),
        },
    ),
)
@settings(max_examples=200, deadline=None)
def test_it_is_frozen_as_celery_freezes_it(args: Any, said: Any, how: Any) -> None:
    ours, stock = _both(args, {}, said, False)
    with (
        mock.patch("celeriac.tasks.signature.uuid", lambda: "new"),
        mock.patch("celery.canvas.uuid", lambda: "new"),
    ):
        results = [each.freeze(**how) for each in (ours, stock)]
    assert results[0].id == results[1].id == ours.id
    for each in (ours, stock):
        if "reply_to" not in said:
            assert each.options["reply_to"] == each.app.thread_oid
            each.options["reply_to"] = "somebody"
    assert _seen(ours) == _seen(stock)


@given(arguments, words, options, st.booleans(), arguments, words, options)
@settings(max_examples=300, deadline=None)
def test_it_is_sent_with_what_celery_sends_it_with(
    args: Any, kwargs: Any, said: Any, immutable: bool, more: Any, named: Any, other: Any
) -> None:
    sent: list[Any] = []
    for app, each in zip(APPS, _both(args, kwargs, said, immutable), strict=True):
        with mock.patch.object(
            type(app.tasks["signed.add"]),
            "apply_async",
            lambda _, *args, **kwargs: sent.append((args, kwargs)),
        ):
            each.apply_async(**other)
            each.apply_async(more, named, **other)
    assert sent[:2] == sent[2:]
    assert [list(options) for _, options in sent[:2]] == [list(options) for _, options in sent[2:]]


def test_one_of_a_type_that_somebody_has_registered_is_cloned_by_that_type() -> None:
    class Own(canvas.Signature):
        @classmethod
        def from_dict(cls, d: Any, app: Any = None) -> Any:
            return cls(d, app=app)

    with mock.patch.dict(canvas.Signature.TYPES, own=Own):
        made = APPS[0].tasks["signed.add"].signature((1,), subtask_type="own")
        assert type(made.clone()) is Own


class Stamps(StampingVisitor):
    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {"by": "somebody", "stamped_headers": ["by"]}


def _s(app: Celery, *args: Any, **said: Any) -> Any:
    said.setdefault("task_id", f"id-{args}")
    return app.tasks["signed.add"].s(*args, key=1).set(reply_to="somebody", **said)


def _stamped(made: Any) -> Any:
    made.stamp(Stamps())
    return made


def _with_callbacks(app: Celery) -> Any:
    parts = [_s(app, number) for number in range(3)]
    for part in parts:
        part.link(_s(app, "then"))
        part.link_error(_s(app, "else"))
    return group(parts)


CANVAS = {
    "group": lambda app: group(_s(app, number) for number in range(5)),
    "group of a list": lambda app: group([_s(app, number) for number in range(3)]),
    "group in a group": lambda app: group([_s(app, 0), group(_s(app, 1), _s(app, 2))]),
    "group with options": lambda app: group(_s(app, 1), _s(app, 2)).set(priority=3, queue="other"),
    "group with callbacks": _with_callbacks,
    "parts that expire": lambda app: group(_s(app, number, expires=60, countdown=5) for number in range(2)),
    "parts with queues": lambda app: group(_s(app, number, queue=f"q{number}") for number in range(2)),
    "immutable parts": lambda app: group(_s(app, number).set(immutable=True) for number in range(2)),
    "chains in a group": lambda app: group(chain(_s(app, n), _s(app, f"{n}b")) for n in range(3)),
    "chord": lambda app: chord([_s(app, number) for number in range(3)], _s(app, "body")),
    "chain": lambda app: chain(_s(app, 1), _s(app, 2), group(_s(app, 3), _s(app, 4))),
    "stamped group": lambda app: _stamped(group([_s(app, number) for number in range(2)])),
    "a signature given as an argument": lambda app: group([_s(app, _s(app, 1), task_id="outer"), _s(app, 2)]),
}


@pytest.mark.parametrize("hear", [False, True], ids=["unheard", "heard"])
@pytest.mark.parametrize("kind", CANVAS)
def test_canvas_leaves_as_stock_celery_sends_it(kind: str, hear: bool) -> None:
    ours, stock = (_sent(app, CANVAS[kind](app), hear) for app in APPS)
    assert ours == stock
    assert ours[0]


def _sent(app: Celery, made: Any, hear: bool) -> Any:
    """Send canvas; give the messages, what signals said, and the ids of the results."""
    messages: list[Any] = []
    heard: list[Any] = []

    def take(_: Any, message: Any, exchange: str, routing_key: str, **__: Any) -> None:
        # Set where an app with metrics was made in this process before.
        message["headers"].pop("celeriac-sent", None)
        messages.append((dumps(message), exchange, routing_key))

    def listen(
        signal: Any = None, sender: Any = None, headers: Any = None, body: Any = None, **told: Any
    ) -> None:
        heard.append((signal is signals.before_task_publish, sender, headers["id"], repr(body)))

    numbers = iter(range(1000))
    with (
        mock.patch("kombu.transport.virtual.base.Channel.basic_publish", take),
        mock.patch("celery.canvas.uuid", lambda: f"made-{next(numbers)}"),
        mock.patch("celeriac.tasks.signature.uuid", lambda: f"made-{next(numbers)}"),
        mock.patch.object(app, "now", lambda: NOW),
    ):
        for signal in (signals.before_task_publish, signals.after_task_publish) if hear else ():
            signal.connect(listen)
        try:
            result = made.apply_async(task_id="the-group") if isinstance(made, group) else made.apply_async()
        finally:
            for signal in (signals.before_task_publish, signals.after_task_publish):
                signal.disconnect(listen)
    # A batch is told of after it was sent, task by task in the same order.
    heard.sort(key=lambda each: not each[0])
    return messages, heard, result.as_tuple()


def test_what_is_put_in_the_place_of_celerys_functions_is_called() -> None:
    add = APPS[0].tasks["signed.add"]
    for name in ("clone", "freeze", "apply_async"):
        with mock.patch.object(canvas.Signature, name, autospec=True) as watched:
            getattr(add.s(1), name)()
        assert watched.call_count == 1
    method = celery.Task.signature
    with mock.patch.object(celery.Task, "signature", autospec=True, side_effect=method) as watched:
        assert type(add.s(1)) is canvas.Signature
    assert watched.call_count == 1
    assert type(add.s(1)) is Signature


def test_all_ways_to_make_one_make_ours() -> None:
    add = APPS[0].tasks["signed.add"]
    for made in (add.s(1), add.si(1), add.signature((1,)), add.subtask((1,)), add.s(1).clone()):
        assert type(made) is Signature
    assert type(APPS[0].signature("signed.add", (1,))) is canvas.Signature
    assert add.si(1).immutable
