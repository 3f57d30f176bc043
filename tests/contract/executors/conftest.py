"""One real worker for each executor and each transport of ours, shared by all tests of this folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

import celeriac
from celeriac.deadletters import Letter, read_letter
from servers.project import Project
from servers.waiting import eventually

WITHIN_S = 60.0
SLOTS = 4

PLAN = """\
[celeriac]
name = "conformance"
imports = ["shop_tasks"]
broker = "{broker}"
results = "{results}"
[queues.default]
[queues.spare]
[pools.web]
queues = ["default"]
executor = "{executor}"
{more}
[pools.other]
queues = ["spare"]
executor = "solo"
[letters]
after = 2
[celery]
worker_send_task_events = true
task_send_sent_event = true
task_track_started = true
result_extended = true
worker_eta_task_limit = 2
"""


@dataclass(frozen=True)
class Executor:
    """What one executor can do, and so what is asked of it.

    keeps: of "soft" and "hard" limits, "terminate" (ending a task that runs), "parallel", "crash" (a task that takes
        its process with it does not take the worker).
    """

    name: str
    keeps: frozenset[str]

    @property
    def runs_coroutines(self) -> bool:
        """Whether the suite's tasks are coroutines on it."""
        return self.name == "asyncio"


EXECUTORS = (
    Executor("prefork", frozenset({"soft", "hard", "terminate", "parallel", "crash"})),
    Executor("processes", frozenset({"soft", "hard", "terminate", "parallel", "crash"})),
    Executor("threads", frozenset({"parallel"})),
    Executor("gevent", frozenset({"hard", "terminate", "parallel"})),
    Executor("solo", frozenset()),
    Executor("asyncio", frozenset({"soft", "hard", "terminate", "parallel"})),
)
TRANSPORTS = ("sqlite", "redis")


class Events:
    """What a worker and its senders tell of tasks, by task id."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.seen: list[dict[str, Any]] = []
        self._listens = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._listens.wait(WITHIN_S)

    def _listen(self) -> None:
        with self._app.connection_for_read() as first:
            receiver = self._app.events.Receiver(first, handlers={"*": self.seen.append})
            with receiver.consumer_context() as (connection, _, _):
                self._listens.set()
                while not self._is_over:
                    try:
                        connection.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue

    def of(self, task_id: str) -> list[str]:
        return [each["type"] for each in list(self.seen) if each.get("uuid") == task_id]

    def close(self) -> None:
        self._is_over = True
        self._thread.join(10)


class Shop:
    """A worker of one pool of a plan, and an app of the test's own to talk to it."""

    def __init__(self, folder: Path, executor: Executor, broker: str, results: str) -> None:
        self.executor = executor
        more = "" if executor.name == "solo" else f"concurrency = {SLOTS}"
        plan = PLAN.format(broker=broker, results=results, executor=executor.name, more=more)
        tasks = (Path(__file__).parent / "conformance_tasks.py").read_text()
        environ = {"CONFORMANCE_COROUTINES": "1" if executor.runs_coroutines else "0"}
        self.project = Project(folder, plan=plan, tasks=tasks, environ=environ)
        self.folder = folder
        self._letters: list[Letter] = []
        self.worker = self.project.start_celeriac("worker", "web")
        self.app = celeriac.adopt(Celery("conformance", set_as_current=False), folder / "celeriac.toml")
        # The tasks are not imported here; a client sends by name.
        self.app.conf.include = []
        self.events = Events(self.app)
        self.worker.wait_for_log("ready.", within=WITHIN_S)
        (self.node,) = eventually(lambda: self.app.control.ping(timeout=2), within=WITHIN_S)[0]

    @property
    def keeps(self) -> frozenset[str]:
        return self.executor.keeps

    @property
    def slots(self) -> int:
        return SLOTS if "parallel" in self.keeps else 1

    def sig(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.app.signature(f"shop.{name}", args=args, kwargs=kwargs)

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        return self.sig(name, *args).apply_async(**options)

    def key(self) -> str:
        """A name for what one test waits by."""
        return uuid4().hex

    def wait_until_running(self, key: str) -> None:
        eventually((self.folder / f"runs-{key}").exists, within=WITHIN_S)

    def end(self, key: str) -> None:
        """Let the tasks that hold on to this key go on."""
        (self.folder / f"end-{key}").touch()

    def lines(self, name: str) -> list[list[str]]:
        """What tasks, signals, hooks or requests have written: a list of words a line."""
        path = self.folder / name
        return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []

    def told(self, name: str, task_id: str) -> list[str]:
        """The first words of those lines that end with this task id."""
        return [words[0] for words in self.lines(name) if words[-1] == task_id]

    def runs(self, task_id: str) -> int:
        return self.lines("runs").count([task_id])

    def letter_of(self, task_id: str) -> Letter:
        """Wait for the letter of a task."""

        def found() -> Letter | None:
            self.drain_letters()
            return next((letter for letter in self._letters if letter.task_id == task_id), None)

        return eventually(found, within=WITHIN_S)

    def letters_of(self, task_id: str) -> list[Letter]:
        self.drain_letters()
        return [letter for letter in self._letters if letter.task_id == task_id]

    def drain_letters(self) -> None:
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            while (message := channel.basic_get("celeriac.dead")) is not None:
                self._letters.append(read_letter(message))
                message.ack()

    def inspect(self, what: str, *args: Any) -> Any:
        """Ask the worker, as `celery inspect` does."""

        def answered() -> Any:
            answers = getattr(self.app.control.inspect(destination=[self.node], timeout=5), what)(*args)
            return answers and (answers[self.node],)

        return eventually(answered, within=WITHIN_S)[0]

    def control(self, verb: str, *args: Any, **options: Any) -> Any:
        """Steer the worker, and give its reply."""
        replies = getattr(self.app.control, verb)(
            *args, destination=[self.node], reply=True, timeout=10, **options
        )
        return replies[0][self.node]

    def is_idle(self) -> bool:
        """Whether nothing is left on the queue, in hand or running."""
        with self.app.connection_for_read() as connection:
            waiting = connection.default_channel.queue_declare("default", passive=True).message_count
        return waiting == 0 and self.inspect("active") == []

    def close(self) -> None:
        self.events.close()
        self.project.close()
        self.app.close()


@pytest.fixture(
    scope="session",
    params=[(executor, transport) for executor in EXECUTORS for transport in TRANSPORTS],
    ids=lambda param: f"{param[0].name}-{param[1]}",
)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A worker, by executor and transport; no test may leave a task in it."""
    executor, transport = request.param
    if executor.name == "gevent":
        pytest.importorskip("gevent")
    folder = tmp_path_factory.mktemp(f"{executor.name}-{transport}")
    if transport == "redis":
        server = request.getfixturevalue("redis_server")
        server.flush()
        broker, results = server.database(10), server.database(11)
    else:
        broker, results = "sqlite:///.celeriac/broker.db", "sqlite:///.celeriac/results.db"
    made = Shop(folder, executor, broker, results)
    yield made
    made.close()
