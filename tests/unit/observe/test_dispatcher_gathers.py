"""The dispatcher of task events: what it gathers, what it adds, and what becomes of it without a broker."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from celery import signals

from celeriac import wire
from celeriac.app import create_app
from celeriac.observe import dispatcher as dispatching
from celeriac.plan import Plan, Queue, Records


@pytest.fixture
def app(tmp_path):
    return create_app(Plan(folder=tmp_path, queues={"default": Queue()}, records=Records()))


@pytest.fixture
def heard(app):
    """Give the messages on the event exchange since it was last asked."""
    with app.connection_for_read() as connection:
        channel = connection.channel()
        queue = app.events.Receiver(channel, routing_key="task.#").queue(channel)
        queue.declare()

        def messages():
            return [json.loads(message.body) for message in iter(lambda: queue.get(no_ack=True), None)]

        yield messages


@pytest.fixture
def worker(app, monkeypatch):
    """A worker's dispatcher that has just sent something."""
    monkeypatch.setattr(dispatching, "GATHER_S", 3600.0)
    monkeypatch.setattr(dispatching.Dispatcher, "_plan", lambda self, after_s: None)
    with app.connection_for_write() as connection:
        made = app.events.Dispatcher(connection, hostname="web-1@h")
        made.flush()
        yield made
        made.close()


def received(worker, task_id="a", **headers):
    request = SimpleNamespace(
        id=task_id, name="shop.add", request_dict=headers, delivery_info={"routing_key": "low"}
    )
    signals.task_received.send(sender=None, request=request)
    worker.send(
        "task-received",
        uuid=task_id,
        name="shop.add",
        args="(1,)",
        kwargs="{}",
        retries=headers.get("retries", 0),
    )


def test_events_go_together_with_what_is_known_of_their_task_in_each(worker, heard):
    received(worker, retries=2, group="g", **{wire.SENT: 5.0, wire.GENERATION: 1, wire.LETTER: "L"})
    worker.send("task-started", uuid="a")
    worker.send("task-succeeded", uuid="a", result="1", runtime=0.1)
    assert heard() == []
    worker.flush()
    ((first, second, third),) = heard()
    assert (first["queue"], first["sent_at"], first["group_id"], first["replay_of"]) == ("low", 5.0, "g", "L")
    for event in (second, third):
        assert (event["name"], event["queue"], event["retries"], event["generation"]) == (
            "shop.add",
            "low",
            2,
            1,
        )
    assert first["clock"] < second["clock"] < third["clock"]
    assert {event["hostname"] for event in (first, second, third)} == {"web-1@h"}
    worker.send("task-started", uuid="a")
    worker.flush()
    assert "name" not in heard()[0][0], "forgotten after its end"


class Add:
    """Stands for the task, which Celery names as the sender of the signal."""

    name = "shop.add"


def test_a_revoked_task_is_named_though_celery_tells_its_name_only_afterwards(worker, heard):
    worker.send("task-revoked", uuid="a", terminated=False, signum=None, expired=True)
    request = SimpleNamespace(id="a", delivery_info={"routing_key": "low"}, retries=0, headers={})
    signals.task_revoked.send(sender=Add, request=request, expired=True)
    worker.flush()
    ((event,),) = heard()
    assert (event["name"], event["queue"], event["expired"]) == ("shop.add", "low", True)


def test_a_task_that_begins_after_a_pause_is_told_at_once(worker, heard, monkeypatch):
    monkeypatch.setattr(dispatching, "GATHER_S", 0.0)
    received(worker)
    assert heard() == []
    worker.send("task-started", uuid="a")
    assert [[event["type"] for event in batch] for batch in heard()] == [["task-received", "task-started"]]


def test_what_cannot_be_sent_waits_within_bounds_and_goes_later(worker, heard, monkeypatch):
    monkeypatch.setattr(dispatching, "WAITING_MAX", 3)
    publisher = worker.publisher
    worker.publisher = SimpleNamespace(publish=lambda *_, **__: 1 / 0)
    for number in range(5):
        worker.send("task-started", uuid=str(number))
    worker.flush()
    worker.publisher = publisher
    worker.flush()
    ((*events,),) = heard()
    assert [event["uuid"] for event in events] == ["2", "3", "4"]


def test_what_could_not_be_sent_goes_without_waiting_for_another_event(app, heard, monkeypatch, eventually):
    monkeypatch.setattr(dispatching, "GATHER_S", 0.05)
    monkeypatch.setattr(dispatching, "AGAIN_S", 0.05)
    with app.connection_for_write() as connection:
        worker = app.events.Dispatcher(connection, hostname="web-1@h")
        publisher, refused = worker.publisher, []

        def refuse(*_, **__):
            refused.append(1)
            if len(refused) == 3:
                worker.publisher = publisher
            raise OSError("not now")

        worker.publisher = SimpleNamespace(publish=refuse)
        worker.send("task-succeeded", uuid="a")
        ((event,),) = eventually(heard)
        worker.close()
    assert event["uuid"] == "a"


def test_texts_that_the_quick_encoder_refuses_are_sent_all_the_same(worker, heard):
    worker.send("task-failed", uuid="a", exception="\ud800", traceback="x" * 50_000 + "the end")
    worker.flush()
    ((event,),) = heard()
    assert event["exception"] == "\ud800"
    assert event["traceback"].endswith("the end")
    assert len(event["traceback"]) <= dispatching.TRACEBACK_CHARS_MAX + 1


def test_a_senders_event_goes_at_once_and_a_message_says_when_it_was_sent(app, heard):
    app.conf.task_send_sent_event = True
    app.send_task("shop.add", (1,), queue="default")
    ((event),) = heard()
    assert event["type"] == "task-sent"
    with app.connection_for_read() as connection:
        message = connection.default_channel.basic_get("default")
    assert message.headers[wire.SENT] == event["sent_at"] <= event["timestamp"]


def test_without_records_celerys_own_dispatcher_is_left_in_place(tmp_path):
    app = create_app(Plan(folder=tmp_path, queues={"default": Queue()}))
    assert app.conf.worker_send_task_events is False
    assert not issubclass(app.events.Dispatcher, dispatching.Dispatcher)
