"""A project on the executor processes: tasks that hold, kill and exceed, and ways to ask its worker."""

from __future__ import annotations

import json
import time
from typing import Any

import psutil

from servers.project import Project, Running
from servers.waiting import eventually

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${SHOP_BROKER:-sqlite:///.celeriac/broker.db}"
[queues.default]
[pools.web]
queues = ["default"]
executor = "processes"
concurrency = 2
grace = "2s"
"""

TASKS = """\
import os, signal, time
from pathlib import Path
from celery import shared_task, signals

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.total")
def total(numbers):
    return sum(numbers)

@shared_task(name="shop.pid")
def pid():
    time.sleep(0.02)
    return os.getpid()

@shared_task(name="shop.quick")
def quick():
    return os.getpid()

@shared_task(name="shop.hold")
def hold(name):
    with Path(name + ".runs").open("a") as runs:
        print(os.getpid(), file=runs, flush=True)
    until = time.monotonic() + 60
    while not Path(name + ".go").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return name

@shared_task(name="shop.compute")
def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))

@shared_task(name="shop.hard", time_limit=0.5)
def hard():
    with Path("hard.runs").open("a") as runs:
        print(os.getpid(), file=runs)
    try:
        time.sleep(60)
    finally:
        Path("hard.tidied").touch()

@shared_task(name="shop.stubborn", time_limit=0.5)
def stubborn():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

@shared_task(name="shop.soft", soft_time_limit=0.5)
def soft():
    time.sleep(60)

@shared_task(name="shop.poison")
def poison():
    with Path("poison.runs").open("a") as runs:
        print(os.getpid(), file=runs)
    os.kill(os.getpid(), signal.SIGKILL)

@shared_task(name="shop.early", acks_late=False)
def early():
    os._exit(3)

@shared_task(name="shop.grow")
def grow():
    global HELD
    HELD = bytearray(b"x" * (300 << 20))
    return os.getpid()

@signals.task_success.connect(weak=False)
def die_after_the_result(sender, **_):
    if sender.name == "shop.die_late" and not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)

@shared_task(name="shop.die_late")
def die_late():
    return "done"
"""

DRIVER = """\
import json, time
from celeriac import create_app
app = create_app(); app.set_default()
import shop_tasks as t
from celery import chain, chord, group
def end(sent, within=60):
    try:
        return sent.get(timeout=within)
    except Exception as error:
        return repr(error)
control, inspect = app.control, app.control.inspect(timeout=2)
{body}
"""


class Shop:
    """A project on this executor, its worker, and ways to ask it."""

    def __init__(self, project: Project) -> None:
        self.project, self.folder = project, project.folder
        self.worker: Running

    def start(self) -> Shop:
        self.worker = self.project.start_celeriac("worker", "web")
        self.worker.wait_for_log("ready.")
        eventually(lambda: len(self.slots()) >= 1)
        return self

    def ask(self, body: str) -> Any:
        """Run statements that set `out`, in a process that sends tasks."""
        text = DRIVER.replace("{body}", f"{body}\nprint(json.dumps(out, default=repr))")
        name = f"ask{time.monotonic_ns()}.py"
        self.project.write(name, text)
        asked = self.project.run("python", name, within=90)
        assert asked.returncode == 0, asked.stderr + self.worker.log
        return json.loads(asked.stdout)

    def send(self, name: str, *arguments: str) -> None:
        sent = self.project.celeriac("send", name, *arguments)
        assert sent.returncode == 0, sent.stderr

    def slots(self) -> list[int]:
        return sorted(it.pid for it in psutil.Process(self.worker.pid).children())

    def runs(self, name: str) -> list[int]:
        path = self.folder / f"{name}.runs"
        return list(map(int, path.read_text().split())) if path.exists() else []

    def go(self, name: str) -> None:
        (self.folder / f"{name}.go").touch()
