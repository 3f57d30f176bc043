"""The rules of this host: heartbeat files, the supervisor's own file, disks, memory."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from celeriac.control.processes import LOCK, STATE, ProcessState, UpState
from celeriac.doctor.rules import disk
from celeriac.observe.places import pulses_folder
from celeriac.observe.pulse import HeartbeatFile
from celeriac.plan import Pool, Queue, Resources
from celeriac_probe import pulse

ONE = {"queues": {"default": Queue()}, "pools": {"web": Pool(queues=("default",))}}


@pytest.fixture
def beating(tmp_path):
    """The heartbeat file of a worker "web-1", which is this process."""
    file = HeartbeatFile(tmp_path / ".celeriac" / "workers", "web-1@host")
    file.phase = pulse.RUNNING
    file.beat()
    yield file
    file.remove()


@pytest.fixture
def supervised(tmp_path):
    """Write what a supervisor runs, and hold its lock."""
    folder = tmp_path / ".celeriac"
    folder.mkdir(exist_ok=True)
    with (folder / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def write(*processes):
            up = UpState(pid=os.getpid(), since=time.time() - 60, broker="sqlite", processes=processes)
            (folder / STATE).write_bytes(msgspec.json.encode(up))

        yield write


def process(name, kind, state, restarts=0, pool=None):
    return ProcessState(
        name=name, kind=kind, pool=pool, state=state, pid=1, restarts=restarts, since=time.time() - 50
    )


def test_a_loop_that_does_not_turn_is_told_with_its_process(system, beating):
    shop = system(**ONE)
    assert shop.found("worker-hung") == []
    now = time.monotonic()
    record = pulse.record_of(os.getpid(), pulse.RUNNING, 4, 1, now - 60, now - 30, 0.0)
    os.pwrite(beating._descriptor, record, 0)
    (found,) = shop.found("worker-hung")
    assert (found.level, found.at, found.facts["process"]) == ("trouble", "worker web-1@host", os.getpid())
    assert "its loop has not turned for 30 s" in found.message


def test_a_plan_written_after_its_worker_started_is_advice(system, beating, tmp_path):
    source = tmp_path / "celeriac.toml"
    source.write_text("")
    shop = system(**ONE, source=source)
    os.utime(source, (time.time() - 60, time.time() - 60))
    assert shop.found("plan-newer") == []
    os.utime(source, (time.time() + 5, time.time() + 5))
    (found,) = shop.found("plan-newer")
    assert (found.level, found.facts["started before"]) == ("advice", "web-1")


def test_a_process_that_does_not_stay_is_told_and_one_that_was_started_again_is_not(system, supervised):
    shop = system(**ONE)
    supervised(
        process("web-1", "worker", "ready", restarts=3, pool="web"),
        process("recorder", "recorder", "waiting"),
    )
    assert shop.found("process-fails") == []
    supervised(process("flower", "flower", "waiting", restarts=2))
    (found,) = shop.found("process-fails")
    assert (found.level, found.at) == ("trouble", "process flower")
    assert "started again 2 times" in found.message


def test_a_folder_that_cannot_be_written_to_is_told_with_what_belongs_there(system, tmp_path):
    shop = system(**ONE)
    assert shop.found("disk") == []
    (tmp_path / ".celeriac").write_text("a file in its place")
    (found,) = shop.found("disk")
    assert found.level == "trouble"
    assert "is no folder" in found.message
    assert "broker" in found.facts["holds"]


def test_a_disk_with_little_room_is_told(system, monkeypatch):
    monkeypatch.setattr(disk, "_LEAST_BYTES", 2**62)
    (found,) = system(**ONE).found("disk")
    assert "free for the broker, results, state" in found.message
    assert found.facts["free_bytes"] > 0


def test_a_slot_near_its_bound_is_told_with_its_process(system, beating):
    child = subprocess.Popen(["sleep", "600"])
    try:
        wide = system(**(ONE | {"pools": {"web": Pool(queues=("default",), max_memory_per_child=2**40)}}))
        assert wide.found("worker-memory") == []
        tight = system(**(ONE | {"pools": {"web": Pool(queues=("default",), max_memory_per_child=2**19)}}))
        processes = {found.facts["process"]: found for found in tight.found("worker-memory")}
    finally:
        child.kill()
        child.wait()
    found = processes[child.pid]
    assert found.level == "advice"
    assert found.facts["held_bytes"] >= 0.9 * 2**19


def test_a_worker_near_the_memory_its_plan_gives_it_is_told(system, beating):
    roomy = system(**(ONE | {"pools": {"web": Pool(queues=("default",), resources=Resources(memory=2**40))}}))
    assert roomy.found("worker-memory") == []
    tight = system(**(ONE | {"pools": {"web": Pool(queues=("default",), resources=Resources(memory=2**20))}}))
    (found,) = tight.found("worker-memory")
    assert found.facts["held_bytes"] > 2**20


def test_the_folder_of_heartbeats_is_the_one_that_workers_write_to(system, tmp_path: Path):
    assert pulses_folder(system(**ONE).plan) == tmp_path / ".celeriac" / "workers"
