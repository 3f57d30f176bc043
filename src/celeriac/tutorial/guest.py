"""The story as a guest in somebody's project: on their plan, with their tasks, and everything as it was afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from celeriac.tutorial.cast import Cast
from celeriac.tutorial.screen import Screen
from celeriac.tutorial.stage import Stage


@contextmanager
def guest_in(app: Celery, cast: Cast, screen: Screen, environ: Mapping[str, str]) -> Iterator[Stage]:
    """Give the stage to play on; afterwards its processes are gone, and letters it has left are discarded.

    app: with its tasks imported. environ: in which `celeriac …` works on this project.
    Raises: TutorialError TUTOR-022 if no pool reads a queue of the cast.
    """
    logs = Path(tempfile.mkdtemp(prefix="celeriac-tutorial-"))
    try:
        with Stage(app, cast, screen, environ=environ, logs=logs) as stage:
            try:
                yield stage
            finally:
                stage.tidy()
    finally:
        shutil.rmtree(logs, ignore_errors=True)
