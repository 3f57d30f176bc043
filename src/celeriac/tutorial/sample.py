"""The tutorial's own project: a plan, four tasks and a web service that is out of order now and then."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from celeriac.app import create_app
from celeriac.errors import TutorialError
from celeriac.tutorial.cast import Call, Cast
from celeriac.tutorial.screen import Screen
from celeriac.tutorial.stage import Stage

_FILES = Path(__file__).parent / "project"
#: settings of the reader's own shell, which must not reach into a project of ours
_NOT_OURS = ("CELERY_", "CELERIAC_", "MAX_TASKS_PER_CHILD")
#: how long the heavy task is to run here, and the one whose worker is killed; seconds
_HEAVY_S, _LONG_S = 0.15, 5.0
_FAILS_AT_FIRST = 2


@contextmanager
def sample_project(screen: Screen, folder: Path | None = None) -> Iterator[Stage]:
    """Make the project, and give the stage to play on; afterwards its processes are gone, and so is its folder.

    folder: make it there instead, and leave it; it must be empty or new.
    Raises: TutorialError TUTOR-003 if the folder holds something, or cannot be written.
    """
    place = _made(folder)
    for name in [each for each in os.environ if each.startswith(_NOT_OURS)]:
        del os.environ[name]
    try:
        for file in _FILES.iterdir():
            if file.is_file():
                shutil.copy(file, place)
        app = create_app(place / "celeriac.toml")
        sys.path.insert(0, str(place))
        app.set_current()
        app.loader.import_default_modules()
        logs = place / "logs"
        logs.mkdir()
        with _service() as service:
            cast = _cast(app.tasks["workshop.count_primes"], service)
            # A worker that is killed leaves its temporary files: here they go with the rest.
            environ = {**os.environ, "TMPDIR": str(logs)}
            with Stage(app, cast, screen, environ=environ, logs=logs) as stage:
                yield stage
    finally:
        sys.path[:] = [each for each in sys.path if each != str(place)]
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _made(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="celeriac-tutorial-")).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise TutorialError(
            "TUTOR-004",
            f"the project cannot be made in {folder}: {error.strerror}.",
            at="--folder",
            fix="name a folder that can be written",
        ) from error
    if not is_empty:
        raise TutorialError(
            "TUTOR-003", f"{folder} is not empty.", at="--folder", fix="name an empty folder, or a new one"
        )
    return folder.resolve()


def _cast(count_primes: Any, service: _Service) -> Cast:
    return Cast(
        light=Call("workshop.write_down", ("the first task",)),
        heavy=Call("workshop.count_primes", (_below(count_primes, _HEAVY_S),)),
        chains=24,
        long=Call("workshop.count_primes", (_below(count_primes, _LONG_S),)),
        flaky=Call("workshop.ask", (service.url,)),
        asked=lambda: service.asked,
        failing=Call("workshop.add_prices", (["9.99", "12,50"],)),
        mended=(["9.99", "12.50"],),
        schedule="pulse",
    )


def _below(count_primes: Any, seconds: float) -> int:
    """Work out up to which number this machine counts primes for so long."""
    tried = 20_000
    began = time.perf_counter()
    count_primes(tried)
    took = max(time.perf_counter() - began, 1e-4)
    # The work grows by the power of 1.5; rounded, since people are to read it.
    return max(1000, int(round(tried * (seconds / took) ** (2 / 3), -3)))


class _Service(ThreadingHTTPServer):
    """Answers 503 at first, then well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weather"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        service: Any = self.server
        service.asked += 1
        status, words = (503, "out of order") if service.asked <= _FAILS_AT_FIRST else (200, "sunny")
        self.send_response(status)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Print nothing into the story."""


@contextmanager
def _service() -> Iterator[_Service]:
    with _Service() as service:
        serving = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield service
        finally:
            service.shutdown()
            serving.join()
