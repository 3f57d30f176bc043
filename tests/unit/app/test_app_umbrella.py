"""Celery's worker command without the rest of Celery's command line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import click
import pytest
from celery import Celery, signals
from celery.bin.worker import worker

from celeriac.app.umbrella import run_worker


class Worker:
    """Stands where an app has its worker: it keeps what it was told, and ends at once."""

    exitcode = 3

    def __init__(self, **options: Any) -> None:
        self.told.update(options)

    told: ClassVar[dict[str, Any]] = {}

    def start(self) -> None: ...


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Celery:
    monkeypatch.setattr(worker, "params", list(worker.params))
    monkeypatch.setattr(Worker, "told", {})
    app = Celery("shop", set_as_current=False)
    app.Worker = Worker
    return app


def test_a_worker_gets_its_options_and_its_exit_code_is_given(app: Celery) -> None:
    assert run_worker(app, ["-Q", "high,low", "-c", "4", "-n", "web@here", "--loglevel", "WARNING"]) == 3
    told = {name: Worker.told[name] for name in ("queues", "concurrency", "hostname", "loglevel", "quiet")}
    assert told == {
        "queues": ["high", "low"],
        "concurrency": 4,
        "hostname": "web@here",
        "loglevel": 30,
        "quiet": True,
    }


def test_an_apps_own_options_reach_its_worker_and_its_signal(app: Celery) -> None:
    app.user_options["worker"].add(click.Option(("--region",)))
    app.user_options["preload"].add(click.Option(("--tenant",), default="all"))
    preloaded: list[Any] = []

    def keep(options: Any, **_: Any) -> None:
        preloaded.append(options)

    signals.user_preload_options.connect(keep)
    run_worker(app, ["--region", "north"])
    run_worker(app, ["--region", "south"])
    assert Worker.told["region"] == "south"
    assert preloaded == [{"tenant": "all"}] * 2


def test_an_option_that_is_none_is_said(app: Celery) -> None:
    with pytest.raises(click.NoSuchOption):
        run_worker(app, ["--no-such"])


def test_a_worker_loads_no_shell() -> None:
    program = """
import sys
from celery import Celery
from celeriac.app.umbrella import run_worker
try:
    run_worker(Celery("shop"), ["--help"])
finally:
    print(sorted({"click_repl", "prompt_toolkit", "celery.bin.celery"} & set(sys.modules)))
"""
    said = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    assert said.stdout.splitlines()[-1] == "[]"
