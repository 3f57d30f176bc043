"""What becomes of messages that are no tasks: a letter each, while the worker lives and works on."""

from __future__ import annotations

import base64
import json
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chord

import celeriac
from celeriac.deadletters import read_letter
from servers.project import Project
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

{places}
[queues.default]
"""

TASKS = """\
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.total")
def total(numbers):
    return sum(numbers)
"""

JSON = "application/json"


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def task(
    body: Any = None, content_type: str = JSON, encoding: str = "utf-8", **headers: Any
) -> dict[str, Any]:
    """A message for shop.add that is right but for what is given; a header of `...` is left out."""
    all_headers = {"lang": "py", "task": "shop.add", "id": uuid.uuid4().hex, "retries": 0, **headers}
    if body is None:
        body = json.dumps([[1, 2], {}, None])
    return {
        "body": body,
        "content_type": content_type,
        "content_encoding": encoding,
        "headers": {name: value for name, value in all_headers.items() if value is not ...},
    }


MALFORMED: dict[str, dict[str, Any]] = {
    "body is bad JSON": task("[[1, 2], {}"),
    "body is a list of one": task("[1]"),
    "body is a number": task("7"),
    "body is null": task("null"),
    "body is empty": task(""),
    "body is not a triple": task("[[1, 2], {}]"),
    "arguments are text": task('["ab", {}, null]'),
    "keyword arguments are a list": task("[[1, 2], [], null]"),
    "canvas is text": task('[[1, 2], {}, "x"]'),
    "callbacks hold a number": task('[[1, 2], {}, {"callbacks": [7]}]'),
    "chain is a number": task('[[1, 2], {}, {"chain": 7}]'),
    "chord is text": task('[[1, 2], {}, {"chord": "x"}]'),
    "no id": task(id=...),
    "id is a number": task(id=7),
    "id is a list": task(id=["x"]),
    "task is a list": task(task=["shop.add"]),
    "task is an object": task(task={}),
    "no task at all": task(task=..., id=...),
    "eta is no time": task(eta="tomorrow"),
    "eta is a number": task(eta=12),
    "eta is out of range": task(eta="0001-01-01T00:00:00+14:00"),
    "expires is an object": task(expires={}),
    "timelimit is text": task(timelimit="x"),
    "timelimit holds text": task(timelimit=["x", "y"]),
    "timelimit has three": task(timelimit=[1, 2, 3]),
    "retries is text": task(retries="many"),
    "root_id is a list": task(root_id=[]),
    "group is an object": task(group={}),
    "shadow is a number": task(shadow=7),
    "argsrepr is a list": task(argsrepr=[]),
    "stamped_headers is a number": task(stamped_headers=3),
    "pickle": task(base64.b64encode(b"x").decode(), content_type="application/x-python-serialize"),
    "unknown content type": task(content_type="application/x-nonsense"),
    "text": task("hello", content_type="text/plain"),
    "unknown compression": task(compression="application/x-squeeze"),
    "broken compression": task("not packed", compression="application/x-gzip"),
    "headers of 1 MB": task(shadow="x" * 1_000_000),
    "deep nesting": task(f"[[{nested(500)}], {{}}, null]"),
    "very deep nesting": task(f"[[{nested(100_000)}], {{}}, null]"),
    "protocol 1 without an id": task('{"task": "shop.add", "args": [1, 2]}', task=..., id=...),
    "protocol 1 with text arguments": task('{"task": "shop.add", "id": "x", "args": 7}', task=..., id=...),
}


class Shop:
    """A project with one running worker, and an app of the test's own to talk to it."""

    def __init__(self, project: Project, executor: str) -> None:
        self.app = celeriac.adopt(Celery("shop", set_as_current=False), project.folder / "celeriac.toml")
        project.write("proj.py", "import celeriac\napp = celeriac.create_app()\n")
        self.worker = project.start_celery("-A", "proj", "worker", "-P", executor, "-c", "2")
        self.ready()

    def ready(self) -> None:
        self.app.send_task("shop.add", (1, 1)).get(timeout=20)

    def publish(self, body: str | bytes, **how: Any) -> None:
        with self.app.connection_for_write() as connection:
            channel = connection.default_channel
            message = channel.prepare_message(
                body,
                content_type=how["content_type"],
                content_encoding=how["content_encoding"],
                headers=how["headers"],
                properties=how.get("properties", {}),
            )
            channel.basic_publish(message, exchange="", routing_key="default")

    def take_letters(self) -> list[Any]:
        taken = []
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            while (message := channel.basic_get("celeriac.dead")) is not None:
                taken.append(read_letter(message))
                message.ack()
        return taken


@pytest.fixture(scope="module", params=["prefork on sqlite", "threads on sqlite", "prefork on redis"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    executor, _, broker = request.param.partition(" on ")
    places = ""
    if broker == "redis":
        server = request.getfixturevalue("redis_server")
        server.flush()
        places = f'broker = "{server.database(0)}"\nresults = "{server.database(1)}"'
    plan = PLAN.format(places=places)
    project = Project(tmp_path_factory.mktemp("shop"), plan=plan, tasks=TASKS, environ={})
    yield Shop(project, executor)
    project.close()


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_message_is_a_letter_and_the_next_task_runs_within_a_second(shop, kind):
    shop.publish(**MALFORMED[kind])
    began = time.monotonic()
    assert shop.app.send_task("shop.add", (2, 3)).get(timeout=5) == 5
    took_s = time.monotonic() - began
    letters = eventually(shop.take_letters)
    assert [letter.reason for letter in letters] == ["malformed"]
    assert letters[0].queue == "default"
    assert took_s < 1


def test_a_zip_bomb_is_a_letter_with_its_body_still_packed(shop):
    packed = zlib.compress(b"[" + b" " * 140_000_000 + b"]", 1)
    with shop.app.connection_for_write() as connection:
        producer = connection.Producer()
        headers = {"task": "shop.add", "id": "bomb", "compression": "application/x-gzip"}
        producer.publish(
            packed, routing_key="default", content_type=JSON, content_encoding="binary", headers=headers
        )
    [letter] = eventually(shop.take_letters)
    assert letter.reason == "malformed"
    assert letter.body == packed


def test_an_unknown_task_is_a_letter_and_a_failure_that_ends_its_chord(shop):
    unknown = shop.app.signature("shop.unknown", (1,))
    ended = chord([shop.app.signature("shop.add", (1, 1)), unknown], app=shop.app)(
        shop.app.signature("shop.total")
    )
    with pytest.raises(Exception, match=r"shop\.unknown"):
        ended.get(timeout=8)
    [letter] = eventually(shop.take_letters)
    assert (letter.reason, letter.task) == ("unknown-task", "shop.unknown")


def test_a_well_formed_message_of_protocol_1_runs(shop):
    body = {"task": "shop.add", "id": "first-protocol", "args": [20, 3], "kwargs": {}, "retries": 0}
    shop.publish(**task(json.dumps(body), task=..., id=..., lang=..., retries=...))
    assert shop.app.AsyncResult("first-protocol").get(timeout=5) == 23
    assert shop.take_letters() == []


def test_a_compressed_task_runs(shop):
    assert shop.app.send_task("shop.add", (2, 3), compression="gzip").get(timeout=5) == 5
