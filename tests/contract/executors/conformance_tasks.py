"""The tasks of the executor suite; each run of it copies them beside a plan, and starts a worker on them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from functools import wraps
from pathlib import Path
from typing import Any

from celery import Task, chain, chord, group, shared_task, signals
from celery.contrib.abortable import AbortableTask
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.worker.request import Request as CeleryRequest

from celeriac.tasks.request import Request

#: on the executor asyncio every task is a coroutine, but those that say plain=True
ARE_COROUTINES = os.environ.get("CONFORMANCE_COROUTINES") == "1"
LOOK_EVERY_S = 0.01


def note(name: str, *words: Any) -> None:
    """Append a line to a file: one write, so that processes and threads do not mix theirs."""
    with Path(name).open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


def task(name: str, *, plain: bool = False, **options: Any) -> Any:
    """Declare a task `shop.NAME`, as a coroutine where the executor runs those."""

    def declare(function: Any) -> Any:
        @wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            returned = function(*args, **kwargs)
            return await returned if asyncio.iscoroutine(returned) else returned

        run = coroutine if ARE_COROUTINES and not plain else function
        return shared_task(name=f"shop.{name}", **options)(run)

    return declare


def pause(seconds: float) -> Any:
    """Wait as the executor's tasks do: a coroutine's is awaited by `task`."""
    return asyncio.sleep(seconds) if ARE_COROUTINES else time.sleep(seconds)


# Signals: every one that a worker sends, with the task it is of.


def _tell(name: str) -> None:
    def told(sender: Any = None, **more: Any) -> None:
        request = more.get("request")
        if name == "task_success":
            request = sender.request  # the one signal of a task that does not say of which
        task_id = more.get("task_id") or more.get("id") or getattr(request, "id", None)
        note("signals", name, task_id or (more.get("message") and more["message"].headers.get("id")) or "-")

    getattr(signals, name).connect(told, weak=False)


for _name in (
    *("task_prerun", "task_postrun", "task_success", "task_failure", "task_retry", "task_revoked"),
    *("task_received", "task_rejected", "task_unknown", "task_internal_error"),
    *("worker_init", "worker_ready", "worker_before_create_process", "worker_process_init"),
    *("worker_process_shutdown", "worker_shutting_down", "worker_shutdown"),
    *("celeryd_init", "celeryd_after_setup", "import_modules", "heartbeat_sent"),
):
    _tell(_name)


@signals.before_task_publish.connect(weak=False)
def _before(headers: Any = None, **_: Any) -> None:
    note("signals", "before_task_publish", headers["id"])


@signals.after_task_publish.connect(weak=False)
def _after(headers: Any = None, **_: Any) -> None:
    note("signals", "after_task_publish", headers["id"])


# Plain work.


@task("add")
def add(x: Any, y: Any) -> Any:
    return x + y


@task("mul")
def mul(x: Any, y: Any) -> Any:
    return x * y


@task("total")
def total(numbers: list[Any]) -> Any:
    return sum(numbers)


@task("give")
def give(value: Any = None) -> Any:
    return value


@task("plain_add", plain=True)
def plain_add(x: Any, y: Any) -> Any:
    return x + y


@task("record")
def record(*words: Any) -> None:
    note("recorded", *words)


@task("fail")
def fail(*words: Any) -> None:
    raise ValueError(*words or ("no",))


class TooFar(Exception):
    """An exception of the project's own."""


@task("fail_own")
def fail_own(limit: int) -> None:
    raise TooFar("beyond", limit)


@task("about", bind=True)
def about(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    request = self.request
    return {
        "id": request.id,
        "args": list(request.args),
        "kwargs": request.kwargs,
        "root": request.root_id,
        "parent": request.parent_id,
        "group": request.group,
        "headers": {name: value for name, value in (request.headers or {}).items() if name.startswith("x-")},
        "stamps": request.stamps,
        "retries": request.retries,
        "shadow": request.shadow,
        "priority": (request.delivery_info or {}).get("priority"),
        "queue": (request.delivery_info or {}).get("routing_key"),
        "eager": request.is_eager,
        "limits": list(request.timelimit or ()),
        "expires": request.expires is not None,
        "current": self.app.current_task.request.id,
    }


# Outcomes.


@task("again", bind=True, max_retries=None)
def again(self: Any, times: int, countdown: float = 0.0) -> int:
    note("runs", self.request.id)
    if self.request.retries < times:
        raise self.retry(countdown=countdown)
    return int(self.request.retries)


@task("spent", bind=True, max_retries=2, default_retry_delay=0)
def spent(self: Any) -> None:
    note("runs", self.request.id)
    raise self.retry(exc=KeyError("spent"))


@task("auto", bind=True, autoretry_for=(OSError,), retry_kwargs={"max_retries": 3, "countdown": 0})
def auto(self: Any, times: int) -> int:
    if self.request.retries < times:
        raise OSError("again")
    return int(self.request.retries)


@task("ignore", bind=True)
def ignore(self: Any) -> None:
    note("runs", self.request.id)
    raise Ignore("not mine")


@task("reject", bind=True)
def reject(self: Any, requeue: bool) -> str:
    note("runs", self.request.id)
    if not requeue or Path("runs").read_text().split().count(self.request.id) < 2:
        raise Reject("not now", requeue=requeue)
    return "the second time"


@task("too_big", bind=True)
def too_big(self: Any) -> None:
    note("runs", self.request.id)
    raise MemoryError("too big")


@task("die", bind=True, plain=True)
def die(self: Any) -> None:
    note("runs", self.request.id)
    os._exit(1)


@task("silent", ignore_result=True)
def silent(value: Any) -> Any:
    note("recorded", "silent", value)
    return value


@task("silent_failure", ignore_result=True, store_errors_even_if_ignored=True)
def silent_failure() -> None:
    raise ValueError("kept")


@task("progress", bind=True)
def progress(self: Any, key: str) -> Any:
    self.update_state(state="PROGRESS", meta={"done": 3, "of": 7})
    return _held(key, lambda: "whole")


@task("swap", bind=True)
def swap(self: Any, x: int, y: int) -> Any:
    raise self.replace(self.app.signature("shop.add", (x, y)))


@task("swap_for_chain", bind=True)
def swap_for_chain(self: Any, x: int) -> Any:
    return self.replace(
        chain(self.app.signature("shop.add", (x, 1)), self.app.signature("shop.mul", (10,)), app=self.app)
    )


@task("swap_for_group", bind=True)
def swap_for_group(self: Any, numbers: list[int]) -> Any:
    return self.replace(group([self.app.signature("shop.add", (n, n)) for n in numbers], app=self.app))


@task("add_part", bind=True)
def add_part(self: Any, value: int) -> int:
    self.add_to_chord(self.app.signature("shop.give", (value * 100,)))
    return value


@task("parent", bind=True)
def parent(self: Any) -> str:
    self.app.signature("shop.add", (1, 1)).apply_async()
    self.app.signature("shop.add", (2, 2)).apply_async()
    return "parent"


@task("send_chord", bind=True)
def send_chord(self: Any) -> str:
    header = [self.app.signature("shop.add", (n, n)) for n in range(3)]
    return str(chord(header, self.app.signature("shop.total"), app=self.app).apply_async().id)


@task("errback", plain=True)
def errback(request: Any, error: Any, traceback: Any) -> None:
    note("recorded", "errback", request.id, type(error).__name__)


@task("errback_by_id", plain=True)
def errback_by_id(task_id: str) -> None:
    note("recorded", "errback-by-id", task_id)


# Long work. A key names two files: one says that it runs, the other lets it end.


def _held(key: str, ended: Any) -> Any:
    Path(f"runs-{key}").touch()
    gate = Path(f"end-{key}")

    async def waiting() -> Any:
        while not gate.exists():
            await asyncio.sleep(LOOK_EVERY_S)
        return ended()

    if ARE_COROUTINES:
        return waiting()
    while not gate.exists():
        time.sleep(LOOK_EVERY_S)
    return ended()


@task("hold")
def hold(key: str, value: Any = None) -> Any:
    return _held(key, lambda: value)


@task("hold_early", acks_late=False)
def hold_early(key: str) -> Any:
    return _held(key, lambda: "early")


@task("meet")
def meet(key: str, number: int, of: int) -> Any:
    """End only when `of` of them run at once."""
    Path(f"met-{key}-{number}").touch()

    def have_all() -> bool:
        return all(Path(f"met-{key}-{each}").exists() for each in range(of))

    async def waiting() -> str:
        while not have_all():
            await asyncio.sleep(LOOK_EVERY_S)
        return threading.current_thread().name

    if ARE_COROUTINES:
        return waiting()
    while not have_all():
        time.sleep(LOOK_EVERY_S)
    return threading.current_thread().name


@task("last", bind=True)
def last(self: Any, seconds: float) -> Any:
    note("runs", self.request.id)
    return pause(seconds)


@task("overlong")
def overlong(key: str) -> Any:
    Path(f"runs-{key}").touch()
    return pause(60)


@task("softly", soft_time_limit=0.3)
def softly(key: str) -> Any:
    def tidied() -> str:
        Path(f"tidied-{key}").touch()
        return "tidied"

    async def waiting() -> str:
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            return tidied()
        return "late"

    if ARE_COROUTINES:
        return waiting()
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        return tidied()
    return "late"


@task("tick", rate_limit="10/s")
def tick() -> float:
    return time.time()


class Noted(Task):
    """A base of the project's own, with every hook Celery has."""

    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        note("hooks", "before_start", task_id)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note("hooks", "on_success", task_id)

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        note("hooks", "on_failure", task_id)

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        note("hooks", "on_retry", task_id)

    def after_return(
        self, status: Any, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        note("hooks", f"after_return:{status}", task_id)


@task("hooked", bind=True, base=Noted, max_retries=1, default_retry_delay=0)
def hooked(self: Any, *, fails: bool = False) -> str:
    if fails:
        raise self.retry(exc=ValueError("hooked"))
    return "done"


class TellingRequest(CeleryRequest):
    """A Request made on Celery's own class."""

    # Celery derives a class for each task from this one, which takes the place of `on_success` alone.

    def acknowledge(self) -> Any:
        note("requests", "acked", self.id)
        return super().acknowledge()

    def on_accepted(self, pid: Any, time_accepted: Any) -> Any:
        note("requests", "accepted", self.id)
        return super().on_accepted(pid, time_accepted)

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        note("requests", "failed", self.id)
        return super().on_failure(*args, **kwargs)

    def on_retry(self, *args: Any, **kwargs: Any) -> Any:
        note("requests", "retried", self.id)
        return super().on_retry(*args, **kwargs)


class TellingCeleriacRequest(TellingRequest, Request):
    """The same on Celeriac's."""


class Told(Task):
    abstract = True
    Request = TellingRequest


class ToldByCeleriac(Task):
    abstract = True
    Request = TellingCeleriacRequest


@task("requested", bind=True, base=Told)
def requested(self: Any, how: str) -> str:
    return _end(self, how)


@task("requested_here", bind=True, base=ToldByCeleriac)
def requested_here(self: Any, how: str) -> str:
    return _end(self, how)


def _end(bound: Any, how: str) -> str:
    if how == "retry" and not bound.request.retries:
        raise bound.retry(countdown=0)
    if how == "fail":
        raise ValueError("as told")
    return how


@task("abortable", bind=True, base=AbortableTask)
def abortable(self: Any, key: str) -> Any:
    Path(f"runs-{key}").touch()

    async def waiting() -> str:
        while not self.is_aborted():
            await asyncio.sleep(LOOK_EVERY_S * 5)
        return "aborted"

    if ARE_COROUTINES:
        return waiting()
    while not self.is_aborted():
        time.sleep(LOOK_EVERY_S * 5)
    return "aborted"
