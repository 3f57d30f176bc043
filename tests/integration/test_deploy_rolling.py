"""A rolling upgrade and a roll-back by the rendered files, while tasks flow: each runs once, and none is lost.

The command lines, probes, signals and times are read out of what was rendered; the test does what Compose, systemd and
a cluster would do with them, on this host.
"""

from __future__ import annotations

import re
import shlex
import signal
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from servers.project import PROGRAMS, Project, Running
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${{CELERY_BROKER_URL:-{broker}}}"
results = "redis://results.example:6379/1"
state = "postgresql://db.example/shop"
coordination = "redis://results.example:6379/2"
[queues.default]
[pools.web]
queues = ["default"]
concurrency = 1
grace = "30s"
replicas = 2
[deploy]
folder = "{folder}"
user = "root"
"""

#: a task that a killed worker would leave undone, and one that ran twice would show
TASKS = """\
import os, time
from celery import shared_task

@shared_task(name="shop.note", ignore_result=True)
def note(number):
    time.sleep(0.15)
    with open(os.environ["NOTED"], "a") as noted:
        noted.write(f"{number} VERSION\\n")
"""

SEND = """\
import os, time
from celeriac import create_app
app = create_app("celeriac.toml")
app.loader.import_default_modules()
number = 0
while not os.path.exists("enough"):
    app.send_task("shop.note", args=(number,))
    number += 1
    open("sent", "w").write(str(number))
    time.sleep(0.1)
"""


class Way(ABC):
    """One way to run two workers of a version, and to replace them one by one."""

    #: with its deadline in seconds, from the rendered files
    stop_within: float

    def __init__(self, make: Callable[..., Project], broker: str, folder: Path) -> None:
        self._make, self._broker, self._folder = make, broker, folder
        self.workers: list[Running] = []

    def project(self, version: str) -> Project:
        """Give a folder with the code of a version, as an image or a host has it."""
        project = self._make(tasks=TASKS.replace("VERSION", version))
        project.write("celeriac.toml", PLAN.format(broker=self._broker, folder=project.folder))
        servers = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "CELERIAC_COORDINATION")
        project.environ.update({**dict.fromkeys(servers, self._broker), "NOTED": str(self._folder / "noted")})
        return project

    def rendered(self, project: Project, target: str, file: str) -> Path:
        done = project.celeriac("render", target, "--output", target)
        assert done.returncode == 0, done.stderr
        return project.folder / target / file

    @abstractmethod
    def begin(self, version: str) -> None:
        """Start two workers of a version."""

    @abstractmethod
    def replace(self, version: str) -> None:
        """Replace every worker by one of this version, as the rendered files say."""

    def stopped(self, worker: Running) -> None:
        worker.signal(signal.SIGTERM)
        assert worker.wait(within=self.stop_within) == 0, worker.log


class Compose(Way):
    """New containers beside the old ones, which stop once the new ones are healthy: order start-first."""

    def begin(self, version: str) -> None:
        project = self.project(version)
        file = self.rendered(project, "compose", "compose.yaml")
        service = YAML(typ="safe", pure=True).load(file.read_text())["services"]["web"]
        assert service["deploy"]["update_config"]["order"] == "start-first"
        self.stop_within = float(service["stop_grace_period"].removesuffix("s"))
        # The volume that all containers share.
        if not (self._folder / "state").exists():
            (self._folder / "state").mkdir()
        (project.folder / ".celeriac").symlink_to(self._folder / "state")
        project.environ.update(
            {name: value for name, value in service["environment"].items() if "$" not in value}
        )
        started = [project.start(*service["command"]) for _ in range(service["deploy"]["replicas"])]
        for worker in started:
            worker.wait_for_log("ready.", within=60)
        check = service["healthcheck"]["test"]
        eventually(lambda: project.run(*check[1:]).returncode == 0, within=60)
        self.workers += started

    def replace(self, version: str) -> None:
        old, self.workers = self.workers, []
        self.begin(version)
        for worker in old:
            self.stopped(worker)


class Systemd(Way):
    """The code changes in place; `systemctl restart` of one unit after the other."""

    def begin(self, version: str) -> None:
        self._host = self.project(version)
        (self._host.folder / ".venv").mkdir()
        (self._host.folder / ".venv" / "bin").symlink_to(PROGRAMS)
        self._unit = self.rendered(self._host, "systemd", "shop-web@.service").read_text()
        assert (self._said("KillSignal"), self._said("Type")) == ("SIGTERM", "notify")
        self.stop_within = float(self._said("TimeoutStopSec"))
        # Paths of such sockets are short; the tests' folders may not be.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")
        self._socket.settimeout(60)
        self._host.environ["NOTIFY_SOCKET"] = "@" + self._socket.getsockname()[1:].decode()
        self.workers = [self._started(number) for number in (1, 2)]

    def replace(self, version: str) -> None:
        self._host.write("shop_tasks.py", TASKS.replace("VERSION", version))
        for at, worker in enumerate(self.workers):
            self.stopped(worker)
            self.workers[at] = self._started(at + 1)
        self._socket.settimeout(60)

    def _said(self, key: str) -> str:
        [value] = re.findall(rf"^{key}=(.*)$", self._unit, re.MULTILINE)
        return str(value)

    def _started(self, number: int) -> Running:
        running = self._host.start(*shlex.split(self._said("ExecStart").replace("%i", str(number))))
        while self._socket.recv(1024) != b"READY=1":
            pass  # the one before said that it stops
        return running


class Kubernetes(Way):
    """A new pod becomes ready before an old one ends: preStop, then SIGTERM; each pod has a state folder of its own."""

    def begin(self, version: str) -> None:
        self._pods = [self._pod(version) for _ in range(2)]

    def replace(self, version: str) -> None:
        for at, (project, worker) in enumerate(list(self._pods)):
            self._pods[at] = self._pod(version)
            drained = project.run(
                *self._container["lifecycle"]["preStop"]["exec"]["command"], within=self.stop_within
            )
            assert drained.returncode == 0, drained.stderr
            assert worker.wait(within=self.stop_within) == 0, worker.log

    def _pod(self, version: str) -> tuple[Project, Running]:
        project = self.project(version)
        file = self.rendered(project, "kubernetes", "base/shop-web.yaml")
        objects: list[Any] = list(YAML(typ="safe", pure=True).load_all(file.read_text()))
        spec = next(each for each in objects if each["kind"] == "Deployment")["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        pod = spec["template"]["spec"]
        self.stop_within = float(pod["terminationGracePeriodSeconds"])
        [self._container] = pod["containers"]
        worker = project.start(*self._container["command"])
        self.workers.append(worker)
        ready = self._container["readinessProbe"]["exec"]["command"]
        eventually(lambda: project.run(*ready).returncode == 0, within=60)
        return project, worker


WAYS = {"compose": Compose, "systemd": Systemd, "kubernetes": Kubernetes}


class Flow:
    """A process that sends a task ten times a second, and what the tasks noted."""

    def __init__(self, project: Project, noted: Path) -> None:
        self._project, self._noted = project, noted
        project.write("send.py", SEND)
        self._sender = project.start("python", "send.py")

    def noted(self) -> list[tuple[int, str]]:
        """Every run that ended: its number, and the version it ran in."""
        lines = self._noted.read_text().splitlines() if self._noted.exists() else []
        return [(int(number), version) for number, version in map(str.split, lines)]

    def goes_on(self, version: str) -> None:
        """Wait until ten more tasks ended, the last of them in this version."""
        before = len(self.noted())

        def has_gone_on() -> bool:
            noted = self.noted()
            assert self._sender.is_running(), self._sender.log
            return len(noted) >= before + 10 and noted[-1][1] == version

        eventually(has_gone_on, within=60)

    def end(self) -> int:
        """Stop sending, and give how many were sent."""
        (self._project.folder / "enough").touch()
        assert self._sender.wait(within=60) == 0, self._sender.log
        return int((self._project.folder / "sent").read_text())


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, project: Callable[..., Project], tmp_path: Path) -> Iterator[Way]:
    server = request.getfixturevalue("redis_server")
    server.flush()
    yield WAYS[request.param](project, server.url, tmp_path)


@pytest.mark.timeout(300)
def test_a_new_version_and_back_while_tasks_flow_loses_and_repeats_none(way: Way, tmp_path: Path) -> None:
    way.begin("one")
    flow = Flow(way.project("one"), tmp_path / "noted")
    flow.goes_on("one")
    way.replace("two")
    flow.goes_on("two")
    way.replace("one")
    flow.goes_on("one")
    sent = flow.end()
    eventually(lambda: len({number for number, _ in flow.noted()}) == sent, within=60)
    assert sorted(number for number, _ in flow.noted()) == list(range(sent))
    assert {version for _, version in flow.noted()} == {"one", "two"}
