"""What the embedded broker survives: real processes killed and stopped, real full and read-only disks, damage."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.exceptions import OperationalError

import celeriac
from celeriac.clock import Clock
from celeriac.errors import BrokerCorrupt, BrokerUnavailable
from celeriac.transports.sqlite import file
from celeriac.transports.sqlite.location import locate
from celeriac.transports.sqlite.view import SQLiteView
from servers.project import Project, Running

JOBS = Queue("jobs", routing_key="jobs")

TASKS = """\
import os, sys, time
import celeriac
from celery import Celery

app = celeriac.adopt(Celery("t", broker="sqlite:///broker.db?lease=" + os.environ.get("LEASE", "10s")), celeriac.Plan())
app.conf.update(
    task_acks_late=True, task_reject_on_worker_lost=True, task_ignore_result=True, worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True, worker_enable_remote_control=False,
)

def note(name, text):
    with open(name, "ab", buffering=0) as history:  # one write: whole lines, whoever else writes
        history.write(f"{text}\\n".encode())

@app.task(name="run")
def run(key, seconds=0.0):
    note("started", f"{key} {os.getpid()}")
    time.sleep(seconds)
    note("ended", f"{key} {os.getpid()}")

def produce(name):
    number = 0
    while not os.path.exists("enough"):
        key = f"{name}-{os.getpid()}-{number}"
        run.delay(key, 0.003)
        note("ok", key)
        number += 1
        time.sleep(0.005)  # no faster than two workers run them, however long it goes on

if __name__ == "__main__":
    produce(sys.argv[1])
"""


def lines(project: Project, name: str) -> list[str]:
    path = project.folder / name
    return path.read_text().splitlines() if path.exists() else []


def keys(project: Project, name: str) -> Counter[str]:
    return Counter(line.split()[0] for line in lines(project, name))


def worker(project: Project, name: str, *options: str) -> Running:
    return project.start_celery(
        "-A", "shop_tasks", "worker", "-P", "solo", "-n", f"{name}@test", "-l", "info", *options
    )


def send(project: Project, key: str, seconds: float = 0.0) -> None:
    project.run(
        sys.executable, "-c", f"import shop_tasks as t; t.run.delay({key!r}, {seconds})"
    ).check_returncode()


def view(project: Project) -> SQLiteView:
    return SQLiteView(locate(f"sqlite:///{project.folder}/broker.db"))


def left(project: Project) -> int:
    with_celery = {state.name: state for state in view(project).queues()}
    state = with_celery["celery"]
    return state.ready + state.delayed + state.unacked


@pytest.mark.parametrize(
    "kills", [30, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_nothing_accepted_is_lost_when_senders_and_workers_are_killed(
    kills: int,
    project: Callable[..., Project],
    eventually: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    shop = project(tasks=TASKS)
    draw = random.Random(kills)

    def start(role: str) -> Running:
        if role.startswith("sender"):
            return shop.start(sys.executable, "shop_tasks.py", role)
        return worker(shop, role, *(["-P", "threads", "-c", "2"] if role == "worker-2" else []))

    running = {role: start(role) for role in ("sender-1", "sender-2", "worker-1", "worker-2")}
    eventually(lambda: len(lines(shop, "ended")) > 20, within=60)
    for _ in range(kills):
        role = draw.choice(sorted(running))
        before = len(lines(shop, "ended"))
        victim = running[role]
        time.sleep(draw.uniform(0.0, 0.2))  # the random phase is the test
        victim.signal_group(signal.SIGKILL)
        victim.wait()
        running[role] = start(role)
        eventually(lambda before=before: len(lines(shop, "ended")) > before, within=60)
    shop.write("enough", "")
    for role in ("sender-1", "sender-2"):
        assert running[role].wait(within=60) == 0
    if not running["worker-1"].is_running():
        running["worker-1"] = start("worker-1")
    eventually(lambda: left(shop) == 0, within=120)
    accepted, ended = keys(shop, "ok"), keys(shop, "ended")
    assert set(accepted) <= set(ended), f"lost: {sorted(set(accepted) - set(ended))[:5]}"
    assert not {state.name for state in view(shop).queues()} & {"celeriac.dead"}, (
        "an innocent became a letter"
    )
    twice = sum(count - 1 for count in ended.values())
    figures = {"kills": kills, "accepted": len(accepted), "run": len(ended), "run_again": twice, "lost": 0}
    for name, figure in figures.items():
        record_property(name, figure)
    # Each kill may repeat what was running, and what had ended within the last unwritten moment.
    assert twice <= 60 * kills


def test_a_killed_workers_tasks_go_on_elsewhere_within_seconds(
    project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS)
    first = worker(shop, "first")
    send(shop, "long", 4.0)
    eventually(lambda: lines(shop, "started"), within=60)
    second = worker(shop, "second")
    second.wait_for_log("ready")
    killed = time.monotonic()
    first.signal_group(signal.SIGKILL)
    eventually(lambda: len(lines(shop, "started")) == 2, within=60)
    assert time.monotonic() - killed < 8, "found by its lock, not by its lease of 10 s"
    eventually(lambda: lines(shop, "ended"), within=60)


def test_a_worker_that_was_stopped_past_its_lease_may_not_ack_what_was_handed_on(
    project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS, environ={"LEASE": "1500ms"})
    sleeper = worker(shop, "sleeper")
    send(shop, "job", 1.0)
    eventually(lambda: lines(shop, "started"), within=60)
    sleeper.signal(signal.SIGSTOP)
    other = worker(shop, "other")
    eventually(lambda: len(lines(shop, "started")) == 2, within=60)
    sleeper.signal(signal.SIGCONT)
    sleeper.wait_for_log("refused a late ack", within=60)
    eventually(lambda: left(shop) == 0)
    send(shop, "after")
    eventually(lambda: keys(shop, "ended")["after"] == 1)
    assert sleeper.is_running()
    assert other.is_running()


def test_a_task_far_longer_than_the_lease_runs_once(
    project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS, environ={"LEASE": "1s"})
    for name in ("one", "two"):
        worker(shop, name).wait_for_log("ready")
    send(shop, "long", 4.0)
    eventually(lambda: lines(shop, "ended"), within=60)
    assert keys(shop, "started") == {"long": 1}
    eventually(lambda: left(shop) == 0)


def test_a_task_that_kills_its_worker_is_set_aside_after_three_runs(
    project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(
        tasks=TASKS + "\n@app.task(name='die')\ndef die():\n    note('died', '')\n    os._exit(1)\n"
    )
    shop.run(
        sys.executable,
        "-c",
        "import shop_tasks as t; t.die.delay(); [t.run.delay(f'k{n}') for n in range(20)]",
    )
    for round_ in range(1, 4):
        killed = worker(shop, f"round-{round_}")
        killed.wait(within=60)
        assert len(lines(shop, "died")) == round_
    last = worker(shop, "last")
    eventually(lambda: set(keys(shop, "ended")) == {f"k{n}" for n in range(20)}, within=60)
    states = {state.name: state for state in view(shop).queues()}
    assert states["celeriac.dead"].ready == 1, (
        "exactly the poison became a letter, nothing that was only prefetched"
    )
    assert len(lines(shop, "died")) == 3
    assert last.is_running()


@pytest.mark.parametrize("executor", ["solo", "threads", "prefork"])
def test_an_idle_worker_wakes_for_a_delayed_task_when_it_is_due(
    executor: str, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    late = "\n@app.task(name='late')\ndef late(due): note('late', time.time() - due)\n"
    shop = project(tasks=TASKS + late)
    worker(shop, "idle", "-P", executor, "-c", "2").wait_for_log("ready")
    script = (
        "import shop_tasks as t, time\n"
        "from datetime import datetime, UTC\n"
        "for n in range(9):\n"
        "    due = time.time() + 0.25\n"
        "    t.late.apply_async([due], eta=datetime.fromtimestamp(due, UTC)); time.sleep(0.35)\n"
    )
    shop.run(sys.executable, "-c", script).check_returncode()
    eventually(lambda: len(lines(shop, "late")) == 9)
    lateness = sorted(float(line) for line in lines(shop, "late"))
    assert lateness[0] >= 0
    assert lateness[4] < 0.2, "a loop that sleeps on would be half a second late"


# Disks.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MiB; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        if os.environ.get("CI") == "true":
            raise RuntimeError(mounted.stderr.decode())
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def publish(connection: Connection, body: Any) -> None:
    connection.Producer().publish(body, routing_key="jobs", declare=[JOBS], serializer="json")


def take_all(connection: Connection) -> list[Any]:
    queue = JOBS(connection.default_channel)
    taken = []
    while (message := queue.get(accept=["json"])) is not None:
        taken.append(message.decode())
        message.ack()
    return taken


def test_a_full_disk_refuses_loudly_and_keeps_what_was_accepted(small_disk: Path) -> None:
    with Connection(f"sqlite:///{small_disk}/broker.db") as connection:
        accepted = []
        with pytest.raises(BrokerUnavailable, match="BROKER-003 the disk of the embedded broker is full"):
            for number in range(1000):
                publish(connection, [number, "x" * 20_000])
                accepted.append(number)
        assert 20 < len(accepted) < 1000
        subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
        publish(connection, [-1, ""])
        assert [number for number, _ in take_all(connection)] == [*accepted, -1]


def test_a_disk_that_fills_under_a_worker_makes_it_wait_not_end(
    small_disk: Path, project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(tasks=TASKS.replace("sqlite:///broker.db", f"sqlite:///{small_disk}/broker.db"))
    busy = worker(shop, "busy")
    send(shop, "before")
    eventually(lambda: keys(shop, "ended")["before"] == 1, within=60)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"\0" * 64 * 2**20)
    refused = shop.run(sys.executable, "-c", "import shop_tasks as t; t.run.apply_async(['no'], retry=False)")
    if refused.returncode:  # a small message may still fit into the write-ahead log's last page
        assert "BROKER-003" in refused.stderr
    ballast.unlink()
    send(shop, "after")
    eventually(lambda: keys(shop, "ended")["after"] == 1, within=60)
    assert busy.is_running()


def test_a_read_only_disk_is_refused_with_the_remedy(small_disk: Path) -> None:
    with Connection(f"sqlite:///{small_disk}/broker.db") as connection:
        publish(connection, 1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with (
        Connection(f"sqlite:///{small_disk}/broker.db") as connection,
        pytest.raises(
            (OperationalError, BrokerUnavailable), match=r"BROKER-004 .*\n.*\n  fix: give this user"
        ),
    ):
        publish(connection, 2)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with Connection(f"sqlite:///{small_disk}/broker.db") as connection:
        assert take_all(connection) == [1]


# Files.


def test_a_locked_file_is_refused_after_a_while_and_works_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "PATIENCE_S", 0.2)
    with Connection(f"sqlite:///{tmp_path}/broker.db") as connection:
        publish(connection, 1)
        holder = sqlite3.connect(tmp_path / "broker.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BrokerUnavailable, match=r"BROKER-002 .* locked by another process"):
            publish(connection, 2)
        holder.execute("ROLLBACK")
        holder.close()
        publish(connection, 3)
        assert take_all(connection) == [1, 3]


def test_a_worker_outlives_a_lock_that_is_held_too_long(
    project: Callable[..., Project], eventually: Callable[..., Any]
) -> None:
    shop = project(
        tasks=TASKS.replace(
            "import celeriac\n",
            "import celeriac\nfrom celeriac.transports.sqlite import file\nfile.PATIENCE_S = 0.2\n",
        )
    )
    busy = worker(shop, "busy")
    send(shop, "job", 1.0)
    eventually(lambda: lines(shop, "started"), within=60)
    holder = sqlite3.connect(shop.folder / "broker.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    eventually(lambda: lines(shop, "ended"))
    busy.wait_for_log("cannot work right now")
    holder.execute("ROLLBACK")
    holder.close()
    eventually(lambda: left(shop) == 0)
    assert keys(shop, "ended") == {"job": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text", b"not a database at all, just some text that is long enough to be read as a header"),
        ("zeros", b"\0" * 8192),
        ("torn header", b"SQLite format 3\0" + b"\xff" * 4000),
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_was(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "broker.db"
    path.write_bytes(content)
    with (
        Connection(f"sqlite:///{path}") as connection,
        pytest.raises(BrokerCorrupt, match=r"BROKER-005 .*it was left as it was"),
    ):
        publish(connection, 1)
    assert path.read_bytes() == content


def test_damage_in_the_middle_is_refused_not_papered_over(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    with Connection(f"sqlite:///{path}") as connection:
        for number in range(300):
            publish(connection, [number, "x" * 500])
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with Connection(f"sqlite:///{path}") as connection, pytest.raises(BrokerCorrupt, match="BROKER-005"):
        publish(connection, 1)
    assert path.read_bytes() == bytes(content)


def test_another_programs_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE precious (x)")
    theirs.close()
    before = path.read_bytes()
    with Connection(f"sqlite:///{path}") as connection, pytest.raises(BrokerCorrupt, match="BROKER-006"):
        publish(connection, 1)
    assert path.read_bytes() == before


def test_a_worker_says_plainly_that_its_broker_is_damaged(project: Callable[..., Project]) -> None:
    shop = project(tasks=TASKS)
    shop.write(
        "broker.db", "this is no database, but it is long enough to be taken for one at first sight\n" * 9
    )
    broken = worker(shop, "broken")
    broken.wait_for_log("BROKER-005", within=60)


# The clock.


class Hands:
    """A wall clock that a test can set."""

    offset_s = 0.0

    def wall(self) -> float:
        return time.time() + self.offset_s


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 86400.0 * 400])
def test_a_wall_clock_that_jumps_costs_no_lease_and_no_message(tmp_path: Path, jump_s: float) -> None:
    hands = Hands()
    url, options = f"sqlite:///{tmp_path}/broker.db?lease=600ms", {"clock": Clock(wall=hands.wall)}
    with (
        Connection(url, transport_options=options) as holder,
        Connection(url, transport_options=options) as other,
    ):
        for number in range(10):
            publish(holder, number)
        got: list[Any] = []
        consumer = holder.Consumer([JOBS], on_message=got.append, accept=["json"])
        consumer.consume()
        while len(got) < 10:
            holder.drain_events(timeout=1)
        hands.offset_s = jump_s
        stolen: list[Any] = []
        with other.Consumer([JOBS], on_message=stolen.append, accept=["json"]):
            deadline = time.monotonic() + 2.0  # three leases long
            while time.monotonic() < deadline:
                try:
                    other.drain_events(timeout=0.1)
                except socket.timeout:  # noqa: UP041
                    continue
        assert stolen == [], "a lease is counted on the steady clock"
        for message in got:
            message.ack()
        publish(holder, "after")
        holder.drain_events(timeout=1)
        assert got[-1].decode() == "after"


def test_a_delayed_task_follows_the_wall_clock_when_it_is_set_forward(tmp_path: Path) -> None:
    hands = Hands()
    with Connection(
        f"sqlite:///{tmp_path}/broker.db", transport_options={"clock": Clock(wall=hands.wall)}
    ) as connection:
        headers = {"task": "t", "id": "1", "eta": "2099-01-01T00:00:00+00:00"}
        connection.Producer().publish(
            "later", routing_key="jobs", declare=[JOBS], serializer="json", headers=headers
        )
        got: list[Any] = []
        with connection.Consumer([JOBS], on_message=got.append, accept=["json"]):
            with pytest.raises(socket.timeout):
                connection.drain_events(timeout=0.2)
            hands.offset_s = 100 * 366 * 86400.0
            connection.drain_events(timeout=3)
        assert [message.decode() for message in got] == ["later"]


def test_relaxed_durability_is_asked_for_by_the_url_and_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import celeriac, os, signal; from kombu import Connection, Queue\n"
        f"c = Connection('sqlite:///{tmp_path}/broker.db?durability=relaxed')\n"
        "q = Queue('jobs', routing_key='jobs')\n"
        "for n in range(50): c.Producer().publish(n, routing_key='jobs', declare=[q], serializer='json')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(celeriac.__file__).parents[1])}
    assert (
        subprocess.run([sys.executable, "-c", script], env=environ, check=False).returncode == -signal.SIGKILL
    )
    with Connection(f"sqlite:///{tmp_path}/broker.db") as connection:
        assert take_all(connection) == list(range(50))
