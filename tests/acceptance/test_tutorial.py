"""`celeriac tutorial`, as its reader meets it: to the end, left in the middle, killed."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from servers.project import PROGRAMS

WITHIN_S = 110.0
CELERIAC = str(PROGRAMS / "celeriac")


@pytest.fixture
def place(project, tmp_path):
    """An empty folder to start from, with a folder for temporary files of its own."""
    made = project()
    for leftover in ("celeriac.toml", "shop_tasks.py"):
        (made.folder / leftover).unlink()
    (tmp_path / "temporary").mkdir()
    made.environ.update(TMPDIR=str(tmp_path / "temporary"), COLUMNS="80")
    return made


def leftovers(place) -> list[psutil.Process]:
    """Everything that still lives in a folder of the test: titles hide a worker's command line and environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(place.folder.parent)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_every_step_counts_what_it_announced_and_nothing_is_left(place):
    done = place.celeriac("tutorial", "--no-input", within=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert re.findall(r"(\d+)/10 ", told) == [str(number) for number in range(1, 11)]
    sent, well, lost = re.search(r"(\d+) tasks were sent, (\d+) ended well, (\d+) were lost", told).groups()
    assert sent == well
    assert (
        57 <= int(sent) <= 59
    )  # a task that had ended before its worker was killed is sent again, twice at most
    assert lost == "0"
    assert "it ran 3 times; the service counted 3 calls" in told
    assert "the records hold 48 runs of them, each ran once" in told
    assert "it began 2 times and was lost 0 times" in told
    assert "its letter is replayed" in told
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not leftovers(place)
    assert not list(Path(place.environ["TMPDIR"]).iterdir())


def test_steps_are_listed_and_can_be_chosen_in_a_folder_that_stays(place, tmp_path):
    listed = place.celeriac("tutorial", "--list").stdout
    assert [line.split()[0] for line in listed.splitlines()][3:5] == ["chain", "bulk"]
    kept = tmp_path / "kept"
    done = place.celeriac("tutorial", "--no-input", "--step", "chain", "--folder", str(kept), within=WITHIN_S)
    assert done.returncode == 0, done.stderr
    assert "1/1" in done.stdout
    assert (kept / "ledger.txt").read_text().strip().isdecimal()
    assert not leftovers(place)
    checked = place.run(CELERIAC, "check", "--plan", str(kept / "celeriac.toml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    again = place.celeriac("tutorial", "--no-input", "--folder", str(kept))
    assert again.returncode == 1
    assert "TUTOR-003" in again.stderr


def test_without_a_terminal_somebody_must_say_no_input(place):
    done = place.celeriac("tutorial")
    assert done.returncode == 1
    assert "TUTOR-001" in done.stderr
    assert "--no-input" in done.stderr


def test_a_step_that_does_not_exist_is_named_with_the_nearest_one(place):
    done = place.celeriac("tutorial", "--no-input", "--step", "bulkk")
    assert done.returncode == 1
    assert "TUTOR-002" in done.stderr
    assert 'write "bulk"' in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_it_in_the_middle_leaves_no_process_behind(place, eventually, number):
    running = place.start_celeriac("tutorial", "--no-input", "--step", "killed")
    running.wait_for_log("Started for this step", within=60)
    assert len(leftovers(place)) >= 4
    running.signal(number)
    code = running.wait(within=60)
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    eventually(lambda: not leftovers(place), within=60)
    if number != signal.SIGKILL:
        assert not list(Path(place.environ["TMPDIR"]).iterdir())


class Terminal:
    """The tutorial in a terminal of its own, with somebody at the keyboard."""

    def __init__(self, place, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self.screen = b""
        self._ours = ours
        environ = {name: value for name, value in place.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            [CELERIAC, "tutorial", *arguments],
            cwd=place.folder,
            env={**environ, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def read_until(self, text: bytes, *, after: int = 0) -> None:
        deadline = time.monotonic() + WITHIN_S
        while text not in self.screen[after:]:
            assert time.monotonic() < deadline, self.screen.decode()
            if select.select([self._ours], [], [], 0.2)[0]:
                try:
                    read = os.read(self._ours, 65536)
                except OSError:  # the other end is closed
                    read = b""
                assert read, self.screen.decode()
                self.screen += read

    def type(self, text: bytes) -> None:
        os.write(self._ours, text)


def test_a_reader_goes_on_with_enter_and_leaves_with_q(place, eventually):
    terminal = Terminal(place, "--step", "first", "--step", "baseline")
    terminal.read_until(b"to leave: ")
    assert b"0 messages wait" not in terminal.screen
    seen = len(terminal.screen)
    terminal.type(b"\n")
    terminal.read_until(b"0 messages wait", after=seen)
    terminal.read_until(b"to leave: ", after=seen)
    assert b"\x1b[" in terminal.screen  # in colour
    terminal.type(b"q\n")
    assert terminal.process.wait(60) == 130
    eventually(lambda: not leftovers(place), within=60)
