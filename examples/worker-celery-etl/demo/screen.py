"""What the demo says, and what it waits for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from src.celery_app import app

Value = TypeVar("Value")

PATIENCE_S = 120.0


def result(task_id: str) -> Any:
    """Wait for a workflow, by the id of its last task."""
    return app.AsyncResult(task_id).get(timeout=PATIENCE_S)


def celeriac(*arguments: str) -> str:
    """Run a celeriac command and give what it prints."""
    command = [sys.executable, "-m", "celeriac", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def until(condition: Callable[[], Value]) -> Value:
    """Wait until something is true, and give it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            sys.exit("this did not happen in time: see .celeriac/up.log")
        time.sleep(0.2)
    return found


def holds(claim: bool, words: str) -> None:
    """Say what holds; end the demo if it does not."""
    if not claim:
        sys.exit(f"this does not hold: {words}")
    say(words)


def title(words: str) -> None:
    """Begin a part of the demo."""
    print(f"\n== {words}", flush=True)


def say(words: str) -> None:
    """Print what came of it."""
    for line in words.splitlines():
        print(f"   {line}", flush=True)
