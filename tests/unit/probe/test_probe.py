"""The probe: what it makes of heartbeat files, and how quickly."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celeriac_probe import pulse
from celeriac_probe.probe import HEALTHY, UNHEALTHY, judge, run

PROGRAM = str(Path(sys.executable).with_name("celeriac"))

HOLDER = """
import fcntl, os, sys, time
from celeriac_probe import pulse
path, phase, beat_ago, excused = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
now = time.monotonic()
fd = os.open(path, os.O_RDWR | os.O_CREAT)
fcntl.lockf(fd, fcntl.LOCK_EX)
os.pwrite(fd, pulse.record_of(os.getpid(), phase, 4, 1, now - 60, now - beat_ago, now + excused if excused else 0), 0)
print("beats", flush=True)
sys.stdin.read()
"""


class Worker:
    """A process that holds a heartbeat file, as a worker does."""

    def __init__(self, folder: Path, name: str, phase: int, beat_ago: float, excused: float) -> None:
        workers = folder / ".celeriac" / "workers"
        workers.mkdir(parents=True, exist_ok=True)
        path = workers / pulse.file_name(name)
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), str(phase), str(beat_ago), str(excused)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"beats\n"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Make a worker: `worker("web-1@host", phase=…, beat_ago=…, excused=…)`."""
    made: list[Worker] = []

    def make(
        name: str = "web-1@host", *, phase: int = pulse.RUNNING, beat_ago: float = 0.5, excused: float = 0.0
    ) -> Worker:
        made.append(Worker(tmp_path, name, phase, beat_ago, excused))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.wait()


def judged(folder: Path, name: str | None = None, stale_s: float = 10.0) -> tuple[int, str]:
    return judge(str(folder), name, stale_s)


def test_a_worker_whose_loop_turns_is_healthy(worker: Callable[..., Worker], tmp_path: Path) -> None:
    worker()
    code, line = judged(tmp_path)
    assert code == HEALTHY
    assert line.startswith("healthy: web-1@host, 1 of 4 slots busy, loop turned 0.")


def test_a_worker_whose_loop_has_not_turned_is_hung(worker: Callable[..., Worker], tmp_path: Path) -> None:
    worker(beat_ago=11.0)
    code, line = judged(tmp_path)
    assert (code, line) == (UNHEALTHY, "unhealthy: web-1@host is hung: its loop has not turned for 11 s")
    assert judged(tmp_path, stale_s=30.0)[0] == HEALTHY


def test_a_worker_that_was_killed_is_gone(worker: Callable[..., Worker], tmp_path: Path) -> None:
    it = worker()
    it.process.kill()
    it.process.wait()
    code, line = judged(tmp_path)
    assert code == UNHEALTHY
    assert f"gone: its process {it.process.pid} ended without saying so" in line


def test_a_frozen_worker_is_seen_at_once_also_in_a_task_of_its_own_loop(
    worker: Callable[..., Worker], tmp_path: Path, eventually: Callable[..., object]
) -> None:
    it = worker(excused=3600.0)
    assert judged(tmp_path)[0] == HEALTHY
    it.process.send_signal(signal.SIGSTOP)
    eventually(lambda: "stopped by a signal" in judged(tmp_path)[1])
    it.process.send_signal(signal.SIGCONT)
    eventually(lambda: judged(tmp_path)[0] == HEALTHY)


def test_a_task_in_the_loop_is_no_hang_until_its_limit_has_passed(
    worker: Callable[..., Worker], tmp_path: Path
) -> None:
    worker(beat_ago=60.0, excused=600.0)
    assert judged(tmp_path) == (
        HEALTHY,
        "healthy: web-1@host, busy with a task in its own loop for 60 s",
    )
    worker("late-1@host", beat_ago=60.0, excused=-1.0)
    assert judged(tmp_path, "late-1")[0] == UNHEALTHY


@pytest.mark.parametrize("phase", [pulse.STARTING, pulse.CONNECTING, pulse.STOPPING])
def test_a_worker_that_waits_for_others_is_alive(
    worker: Callable[..., Worker], tmp_path: Path, phase: int
) -> None:
    worker(phase=phase, beat_ago=60.0)
    assert judged(tmp_path) == (HEALTHY, f"healthy: web-1@host, {pulse.PHASES[phase]} for 60 s")


def test_one_worker_is_asked_for_by_its_short_or_full_name(
    worker: Callable[..., Worker], tmp_path: Path
) -> None:
    worker()
    worker("web-2@host", beat_ago=99.0)
    assert judged(tmp_path, "web-1")[0] == HEALTHY
    assert judged(tmp_path, "web-2@host")[0] == UNHEALTHY
    assert judged(tmp_path)[0] == UNHEALTHY
    assert judged(tmp_path, "web") == (
        UNHEALTHY,
        f"unhealthy: worker web has no heartbeat file in {tmp_path}/.celeriac/workers",
    )


def test_no_worker_at_all_is_unhealthy(tmp_path: Path) -> None:
    code, line = judged(tmp_path)
    assert code == UNHEALTHY
    assert line.startswith("unhealthy: no worker has a heartbeat file in")


@pytest.mark.parametrize("content", [b"", b"x" * 56, b"CELPULS1", bytes(range(100, 156))])
def test_a_file_that_is_no_heartbeat_is_passed_over(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / ".celeriac" / "workers"
    folder.mkdir(parents=True)
    (folder / "web-1.pulse").write_bytes(content)
    assert pulse.read_all(str(folder)) == []


def test_asking_twice_at_once_does_not_take_a_dead_worker_for_alive(
    worker: Callable[..., Worker], tmp_path: Path
) -> None:
    it = worker()
    it.process.kill()
    it.process.wait()
    command = [sys.executable, "-m", "celeriac_probe", "--folder", str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    assert [each.wait(20) for each in both] == [UNHEALTHY] * 4


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--stale", "soon"], ["--worker"]])
def test_a_wrong_command_line_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "fix:" in capsys.readouterr().err


def test_the_program_answers_without_celery_or_kombu_in_50_ms_of_its_own(
    worker: Callable[..., Worker], tmp_path: Path
) -> None:
    worker()

    def fastest(*command: str) -> float:
        times = []
        for _ in range(7):
            began = time.perf_counter()
            assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
            times.append(time.perf_counter() - began)
        return min(times)

    python = fastest(sys.executable, "-c", "pass")
    probe = fastest(PROGRAM, "probe")
    assert probe - python < 0.050, f"{probe - python:.3f}s over an empty Python"
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "probe"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "celeriac_probe.pulse" in imported
    assert not any(name in imported for name in ("| celeriac\n", "kombu", "celery", "msgspec", "click"))


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (pulse.RUNNING, HEALTHY),
        (pulse.STARTING, UNHEALTHY),
        (pulse.CONNECTING, UNHEALTHY),
        (pulse.STOPPING, UNHEALTHY),
    ],
)
def test_a_worker_that_takes_no_tasks_lives_but_is_not_ready(tmp_path, worker, phase, expected):
    worker(phase=phase)
    assert judge(str(tmp_path), None, 10)[0] == HEALTHY
    code, line = judge(str(tmp_path), None, 10, ready=True)
    assert code == expected
    assert (pulse.PHASES[phase] in line) or expected == HEALTHY


def test_of_workers_that_share_a_folder_only_those_of_this_host_are_asked_for(tmp_path, worker):
    worker("web-1@here")
    worker("web-1@there", beat_ago=60)
    assert judge(str(tmp_path), None, 10)[0] == UNHEALTHY
    assert judge(str(tmp_path), None, 10, host="here")[0] == HEALTHY
    assert judge(str(tmp_path), None, 10, host="elsewhere") == (
        UNHEALTHY,
        f"unhealthy: no worker of elsewhere has a heartbeat file in {tmp_path}/.celeriac/workers",
    )
