"""The supervisor over real processes: starting, failing, stopping, being killed."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable

import psutil
import pytest

from servers.project import Project, Running

SUPERVISE = """\
import asyncio, json, logging, sys
from datetime import timedelta
from pathlib import Path

from celeriac.errors import PlanError
from celeriac.plan import Process
from celeriac.supervise.instance import Instance
from celeriac.supervise.output import Output, OutputHandler
from celeriac.supervise.supervisor import Reload, Supervisor

here = Path.cwd()

def processes():
    text = (here / "processes.json").read_text()
    if text == "broken":
        raise PlanError("PLAN-000", "cannot be read")
    return [
        Process(name=it["name"], kind=it["kind"], argv=(sys.executable, it["script"], it["name"]),
                grace=timedelta(seconds=it["grace"]))
        for it in json.loads(text)
    ]

async def main():
    output = Output(sys.stdout)
    logger = logging.getLogger("celeriac.supervise")
    logger.addHandler(OutputHandler(output))
    logger.setLevel(logging.INFO)
    reload = Reload(plan=here / "processes.json", processes=processes) if "--reload" in sys.argv else None
    with Instance(here / ".celeriac") as instance:
        return await Supervisor(
            processes(), folder=here, instance=instance, output=output, reload=reload
        ).run()

sys.exit(asyncio.run(main()))
"""

#: says ready, then that it stops when asked to
POLITE = """\
import signal, sys, time
from celeriac.supervise.lifeline import follow, say_ready

def stop(*_):
    print("stopping", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
follow()
say_ready()
print("working", flush=True)
while True:
    time.sleep(60)
"""

#: ignores every polite signal
STUBBORN = """\
import signal, time
from celeriac.supervise.lifeline import follow, say_ready

for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
follow()
say_ready()
print("working", flush=True)
while True:
    time.sleep(60)
"""

FAILING = """\
import sys
print("no module named shop", flush=True)
sys.exit(7)
"""

#: starts a child in its own group and one in a session of its own
PARENT = """\
import signal, subprocess, sys, time
from celeriac.supervise.lifeline import follow, say_ready

signal.signal(signal.SIGTERM, signal.SIG_IGN)
follow()
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
near = subprocess.Popen(sleeper)
far = subprocess.Popen(sleeper, start_new_session=True)
print("children", near.pid, far.pid, flush=True)
say_ready()
while True:
    time.sleep(60)
"""

Supervised = Callable[..., Running]


@pytest.fixture
def supervise(project) -> Supervised:
    """Start a supervisor: `supervise([("web-1", "worker", POLITE)], grace=5.0, reload=False)`."""

    def start(wanted: list[tuple[str, str, str]], *, grace: float = 5.0, reload: bool = False) -> Running:
        made: Project = project()
        made.write("supervise.py", SUPERVISE)
        write_processes(made, wanted, grace=grace)
        return made.start(sys.executable, "supervise.py", *(["--reload"] if reload else []))

    return start


def write_processes(made: Project, wanted: list[tuple[str, str, str]], *, grace: float = 5.0) -> None:
    """Write what the supervisor is to run, and its scripts."""
    listed = []
    for name, kind, script in wanted:
        made.write(f"{name}.py", script)
        listed.append({"name": name, "kind": kind, "script": f"{name}.py", "grace": grace})
    made.write("processes.json", json.dumps(listed))


FLOW = [("recorder", "recorder", POLITE), ("web-1", "worker", POLITE), ("beat", "beat", POLITE)]


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def state_of(up, name: str) -> dict:
    state = json.loads((up.project.folder / ".celeriac" / "up.json").read_text())
    return next(it for it in state["processes"] if it["name"] == name)


def test_it_says_ready_once_every_process_has_said_so(supervise):
    up = supervise(FLOW)
    up.wait_for_log("ready: 3 running")
    for name in ("recorder", "web-1", "beat"):
        # What a process prints comes by another pipe than its word that it is ready.
        up.wait_for_log(f"{name:<8} | working")


def test_a_stop_drains_beat_then_workers_then_the_recorder(supervise):
    up = supervise(FLOW)
    up.wait_for_log("ready: 3")
    assert up.stop() == 0
    stopping = re.findall(r"^(\S+) +\| stopping$", up.log, re.MULTILINE)
    assert stopping == ["beat", "web-1", "recorder"]
    assert "stopped cleanly" in up.log


def test_the_terminals_ctrl_c_reaches_only_the_supervisor(supervise):
    up = supervise(FLOW)
    up.wait_for_log("ready: 3")
    up.signal_group(signal.SIGINT)
    assert up.wait() == 0
    assert "KeyboardInterrupt" not in up.log


def test_a_process_that_is_killed_is_started_again(supervise, eventually):
    up = supervise([("web-1", "worker", POLITE)])
    up.wait_for_log("ready: 1")
    first = state_of(up, "web-1")
    os.kill(first["pid"], signal.SIGKILL)
    again = eventually(
        lambda: (it := state_of(up, "web-1"))["state"] == "ready" and it["pid"] != first["pid"] and it
    )
    assert again["restarts"] == 1
    assert "web-1 ended without being asked, killed by SIGKILL" in up.log
    assert up.stop() == 0


def test_slots_of_a_killed_worker_die_with_it(supervise, eventually):
    up = supervise([("web-1", "worker", PARENT)])
    log = up.wait_for_log("ready: 1")
    near = int(re.search(r"children (\d+)", log)[1])
    os.kill(state_of(up, "web-1")["pid"], signal.SIGKILL)
    eventually(lambda: is_gone(near))


def test_a_process_that_fails_at_its_start_is_said_to_in_so_many_words(supervise):
    up = supervise([("web-1", "worker", FAILING)])
    log = up.wait_for_log("failed 5 times in a row at its start", within=30)
    assert "no module named shop" in log
    assert "exit code 7" in log
    assert "web-1 is started again in 500ms" in log
    assert up.stop() == 0, "there was nothing left to kill"


def test_a_worker_that_overstays_its_grace_is_killed_and_the_exit_code_says_so(supervise, eventually):
    up = supervise([("web-1", "worker", STUBBORN)], grace=0.3)
    up.wait_for_log("ready: 1")
    pid = state_of(up, "web-1")["pid"]
    assert up.stop(within=15) == 1
    assert "runs on after its grace of 300ms" in up.log
    assert "is killed" in up.log
    eventually(lambda: is_gone(pid))


def test_a_second_ctrl_c_kills_at_once_and_with_everything_started(supervise, eventually):
    up = supervise([("web-1", "worker", STUBBORN), ("web-2", "worker", PARENT)], grace=60)
    log = up.wait_for_log("ready: 2")
    near, far = (int(it) for it in re.search(r"children (\d+) (\d+)", log).groups())
    up.signal(signal.SIGINT)
    up.wait_for_log("stopping;")
    up.signal(signal.SIGINT)
    assert up.wait(within=5) == 1
    eventually(lambda: is_gone(near) and is_gone(far))


@pytest.mark.parametrize("script", [POLITE, STUBBORN])
def test_nothing_outlives_a_supervisor_that_was_killed(supervise, eventually, script):
    up = supervise([("web-1", "worker", script), ("recorder", "recorder", script)], grace=0.5)
    up.wait_for_log("ready: 2")
    pids = [state_of(up, name)["pid"] for name in ("web-1", "recorder")]
    up.signal(signal.SIGKILL)
    up.wait()
    eventually(lambda: all(is_gone(pid) for pid in pids), within=5)


def test_a_state_that_cannot_be_written_stops_nothing(supervise):
    up = supervise([("web-1", "worker", POLITE)])
    up.wait_for_log("ready: 1")
    state = up.project.folder / ".celeriac" / "up.json"
    worker = state_of(up, "web-1")["pid"]
    # Before the kill, which makes `up` write: a folder in its place is what cannot be written over.
    state.unlink()
    state.mkdir()
    os.kill(worker, signal.SIGKILL)
    up.wait_for_log("what runs cannot be written down")
    state.rmdir()
    assert up.stop() == 0


def test_the_last_words_of_a_process_are_shown_even_without_a_line_end(supervise):
    up = supervise([("web-1", "worker", "import sys; sys.stdout.write('last words'); sys.exit(3)")])
    assert "web-1 | last words\n" in up.wait_for_log("exit code 3")


def test_a_line_without_end_does_not_fill_the_memory(supervise):
    script = "import sys\nfor _ in range(3):\n    sys.stdout.write('x' * 1_000_000)\nsys.exit(3)"
    up = supervise([("web-1", "worker", script)])
    up.wait_for_log("exit code 3")
    assert max(map(len, up.log.splitlines())) < 2_000_000


def test_an_edit_of_the_code_starts_the_workers_again_and_only_them(supervise, eventually):
    up = supervise(FLOW, reload=True)
    up.wait_for_log("ready: 3")
    before = {name: state_of(up, name)["pid"] for name in ("web-1", "recorder", "beat")}

    up.project.write("shop_tasks.py", "# edited\n")
    up.wait_for_log("code edited, starting again")
    eventually(lambda: up.log.count("ready: 3") >= 2 and state_of(up, "web-1")["state"] == "ready")
    after = {name: state_of(up, name)["pid"] for name in before}
    assert after["web-1"] != before["web-1"]
    assert (after["recorder"], after["beat"]) == (before["recorder"], before["beat"])


def test_broken_code_waits_for_the_edit_that_mends_it(supervise):
    up = supervise([("web-1", "worker", FAILING)], reload=True)
    up.wait_for_log("web-1 waits for the next edit")

    up.project.write("web-1.py", POLITE)
    up.wait_for_log("ready: 1")
    assert up.log.count("no module named shop") == 1, "it was not tried in between"
    assert up.stop() == 0


def test_an_edited_plan_changes_what_runs_and_a_broken_one_does_not(supervise):
    up = supervise([("web-1", "worker", POLITE)], reload=True)
    up.wait_for_log("ready: 1")

    write_processes(up.project, [("web-1", "worker", POLITE), ("web-2", "worker", POLITE)])
    up.wait_for_log("ready: 2")
    up.project.write("processes.json", "broken")
    up.wait_for_log("PLAN-000 cannot be read")
    assert [state_of(up, name)["state"] for name in ("web-1", "web-2")] == ["ready", "ready"]
    assert up.stop() == 0
    assert re.findall(r"^web-2 +\| stopping$", up.log, re.MULTILINE)
