"""The metrics server and whoever asks it."""

from __future__ import annotations

import socket
import struct
import threading
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from celeriac.observe.metrics.server import Answer, Server


class SlowPages:
    """Pages that answer much, once they may."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def answer(self, path: str, accept: str = "", authorization: str = "") -> Answer:
        self.asked.set()
        assert self.go.wait(30)
        return "text/plain", HTTPStatus.OK, b"x" * 4_000_000


@pytest.fixture
def pages() -> SlowPages:
    return SlowPages()


@pytest.fixture
def server(pages: SlowPages) -> Iterator[Server]:
    server = Server("127.0.0.1:0", pages)  # type: ignore[arg-type]
    server.start()
    yield server
    pages.go.set()
    server.stop()


def test_a_scraper_that_went_away_leaves_no_traceback(
    server: Server, pages: SlowPages, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as scraper:
        scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert pages.asked.wait(30)
        # Closed with a reset, as a process that is killed leaves it.
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (answering,) = [it for it in threading.enumerate() if "process_request_thread" in it.name]
    pages.go.set()
    answering.join(30)
    assert not answering.is_alive()
    assert capfd.readouterr().err == ""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
        assert len(answer.read()) == 4_000_000
