"""What the two tasks do, each alone and as a chain."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from celery import chain
from django.test import Client, override_settings

from gallery.heavy import heavy_task
from gallery.light import light_task
from gallery.models import Picture, Scene


def test_a_chain_renders_and_publishes_a_picture(celeriac_sent: Any, media: Path) -> None:
    assert chain(heavy_task.s(2), light_task.s()).delay().get(timeout=10) == 1
    celeriac_sent.one(heavy_task, args=(2,), queue="heavy")
    celeriac_sent.one(light_task, queue="light")
    picture = Picture.objects.get()
    assert (media / picture.path).read_bytes().startswith(b"\x89PNG")
    [item] = json.loads((media / "feed.json").read_text())["items"]
    assert (item["id"], item["sha256"]) == (picture.task_id, picture.sha256)


def test_a_task_that_runs_twice_makes_one_picture(media: Path) -> None:
    for _ in range(2):
        heavy_task.apply((1,), task_id="the-same")
    assert Picture.objects.filter(task_id="the-same").count() == 1


def test_a_light_task_alone_publishes_all_that_waits(celeriac_sent: Any) -> None:
    light_task.delay().get(timeout=10)
    for _ in range(3):
        heavy_task.delay(1).get(timeout=10)
    assert light_task.delay().get(timeout=10) == 3
    assert light_task.delay().get(timeout=10) == 0


@pytest.mark.parametrize(("arguments", "error"), [((0,), ValueError), ((1, "nowhere"), Scene.DoesNotExist)])
def test_a_heavy_task_that_fails_is_tried_three_times_more_and_kept(
    celeriac_letters: Any, celeriac_retried: Any, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    heavy_task.delay(*arguments)
    celeriac_letters.one(heavy_task, exception=error)
    assert len(celeriac_retried.all(heavy_task)) == 3


class Subscriber(BaseHTTPRequestHandler):
    """Answers 503 once, then takes what it is told."""

    heard: list[Any] = []  # noqa: RUF012 - the handler is made anew for each request
    refusals = 1

    def do_POST(self) -> None:
        """Take a picture's item."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if Subscriber.refusals:
            Subscriber.refusals -= 1
            self.send_error(503)
            return
        Subscriber.heard.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def subscriber() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Subscriber)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_the_subscriber_is_told_however_often_it_takes(celeriac_sent: Any, subscriber: str) -> None:
    with override_settings(SUBSCRIBER_URL=subscriber):
        picture = heavy_task.delay(1).get(timeout=10)
        assert light_task.delay(picture).get(timeout=10) == 1
    assert [each["id"] for each in Subscriber.heard] == [Picture.objects.get(pk=picture).task_id]


def test_the_wall_shows_what_is_published_and_its_button_sends_a_chain(celeriac_sent: Any) -> None:
    client = Client()
    assert client.post("/render", {"scene": "seahorses"}).status_code == 302
    celeriac_sent.one(heavy_task, args=(5, "seahorses"), queue="heavy")
    assert b"seahorses at detail 5" in client.get("/").content
