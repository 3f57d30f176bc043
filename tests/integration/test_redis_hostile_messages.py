"""Whatever somebody pushes into a list on Redis: the worker lives, the next task runs, and the bytes are a letter."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from redis import Redis

import celeriac
from celeriac.deadletters import read_letter
from servers.project import Project
from servers.redis_server import RedisServer
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "{broker}"
results = "{results}"

[queues.default]
"""

TASKS = """\
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y
"""


def message(**changed: Any) -> bytes:
    """A message for shop.add as stock kombu pushes it, right but for what is given; `...` leaves a part out."""
    whole = {
        "body": base64.b64encode(b"[[1, 2], {}, null]").decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "shop.add", "id": "some-id", "retries": 0},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "default"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "7f9c0216-fa90",
        },
        **changed,
    }
    return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()


GOOD_PROPERTIES = json.loads(message())["properties"]

HOSTILE = {
    "bad JSON": b'{"body": "W1sxLCAyXSwge30sIG51bGxd", ',
    "nothing": b"",
    "not text": b"\xff\xfe\x00\x01",
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "text": b'"x"',
    "deep nesting": b"[" * 200_000,
    "no properties": message(properties=...),
    "properties are a list": message(properties=[]),
    "no headers": message(headers=...),
    "headers are text": message(headers="x"),
    "content type is a number": message(**{"content-type": 7}),
    "body is a list": message(body=[1]),
    "body is not base64": message(body="%%%"),
    "an unknown body encoding": message(properties={**GOOD_PROPERTIES, "body_encoding": "rot13"}),
    "not a number": message().replace(b'"retries": 0', b'"retries": NaN'),
    "a lone surrogate": message().replace(b'"lang": "py"', rb'"lang": "\ud800"'),
    "body encoding is a list": message(properties={**GOOD_PROPERTIES, "body_encoding": []}),
}
#: what kombu need not have put there: such a message is a task all the same
HARMLESS = {
    "no delivery tag": {key: value for key, value in GOOD_PROPERTIES.items() if key != "delivery_tag"},
    "a delivery tag that is a list": {**GOOD_PROPERTIES, "delivery_tag": [1]},
    "a delivery tag of somebody else": {**GOOD_PROPERTIES, "delivery_tag": "1-2-3"},
    "no delivery info": {key: value for key, value in GOOD_PROPERTIES.items() if key != "delivery_info"},
    "priority is text": {**GOOD_PROPERTIES, "priority": "high"},
    "expiration is an object": {**GOOD_PROPERTIES, "expiration": {}},
}


class Shop:
    """A project with one running worker, and an app of the test's own to talk to it."""

    def __init__(self, project: Project, server: RedisServer) -> None:
        self.app = celeriac.adopt(Celery("shop", set_as_current=False), project.folder / "celeriac.toml")
        project.write("proj.py", "import celeriac\napp = celeriac.create_app()\n")
        self.worker = project.start_celery("-A", "proj", "worker", "-P", "solo")
        self.broker = Redis.from_url(server.database(0))
        assert self.add() == 5

    def add(self) -> Any:
        return self.app.send_task("shop.add", (2, 3)).get(timeout=60)

    def letters(self) -> list[Any]:
        taken = []
        with self.app.connection_for_read() as connection:
            while (letter := connection.default_channel.basic_get("celeriac.dead")) is not None:
                taken.append(read_letter(letter))
                letter.ack()
        return taken


@pytest.fixture(scope="module")
def shop(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    redis_server.flush()
    plan = PLAN.format(broker=redis_server.database(0), results=redis_server.database(1))
    project = Project(tmp_path_factory.mktemp("shop"), plan=plan, tasks=TASKS, environ={})
    made = Shop(project, redis_server)
    yield made
    made.broker.close()
    project.close()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_message_that_nobody_can_read_is_a_letter_and_the_next_task_runs_within_a_second(
    shop: Shop, kind: str
) -> None:
    shop.broker.lpush("default", HOSTILE[kind])
    began = time.monotonic()
    assert shop.add() == 5
    took_s = time.monotonic() - began
    [letter] = eventually(shop.letters)
    assert (letter.reason, letter.queue) == ("malformed", "default")
    assert letter.body == HOSTILE[kind], "its bytes are kept as they were"
    assert took_s < 1
    assert shop.worker.is_running()


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_task_with_odd_properties_runs(shop: Shop, kind: str) -> None:
    task_id = f"odd {kind}"
    whole = json.loads(message(properties=HARMLESS[kind]))
    whole["headers"]["id"] = task_id
    shop.broker.lpush("default", json.dumps(whole))
    assert shop.app.AsyncResult(task_id).get(timeout=60) == 3
    assert shop.letters() == []


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        # As every JSON reader of Python's has it, the last one counts.
        ({b'"lang": "py"': b'"lang": "py", "id": "x", "id": "ID"'}, 3),
        ({b"W1sxLCAyXSwge30sIG51bGxd": base64.b64encode(b"[[NaN, 2], {}, null]")}, math.nan),
        ({b"W1sxLCAyXSwge30sIG51bGxd": base64.b64encode(rb'[["\ud800", "x"], {}, null]')}, "\ud800x"),
    ],
    ids=["keys that come twice", "arguments that are no number", "arguments that are half a character"],
)
def test_what_json_of_python_reads_is_a_task(shop: Shop, changed: dict[bytes, bytes], value: Any) -> None:
    task_id, raw = uuid4().hex, message()
    for old, new in changed.items():
        assert old in raw
        raw = raw.replace(old, new)
    raw = raw.replace(b'"id": "some-id"', b'"id": "ID"').replace(b'"ID"', f'"{task_id}"'.encode())
    shop.broker.lpush("default", raw)
    result = shop.app.AsyncResult(task_id).get(timeout=60)
    assert result == value or (math.isnan(result) and math.isnan(value))
    assert shop.add() == 5
    assert shop.letters() == []


def test_a_broadcast_that_nobody_can_read_is_passed_over(shop: Shop) -> None:
    for said in (b"not JSON", b"[1]", b'{"properties": {}}', message(body="%%%")):
        shop.broker.publish("/0.celery.pidbox", said)
    assert shop.add() == 5
    assert shop.worker.is_running()
