"""`celeriac up -- COMMAND`: the plan runs while the command runs."""

import signal
import sys

import psutil

from servers.project import PLAN

SEND = "import sys; from celeriac import create_app; app = create_app(); import shop_tasks; "
ADD = SEND + "print('sum', shop_tasks.add.delay(2, 3).get(timeout=30))"


def test_a_command_has_workers_and_the_terminal_and_its_end_stops_everything(project):
    shop = project()
    ended = shop.celeriac("up", "--", sys.executable, "-c", ADD, within=60)
    assert (ended.returncode, ended.stdout) == (0, "sum 5\n"), ended.stderr
    log = (shop.folder / ".celeriac" / "up.log").read_text()
    assert "ready: 2 running" in log
    assert "stopped cleanly" in log
    assert not (shop.folder / ".celeriac" / "up.json").exists()


def test_the_exit_code_is_the_commands_own(project):
    shop = project()
    assert shop.celeriac("up", "--", sys.executable, "-c", "raise SystemExit(7)", within=60).returncode == 7


def test_a_command_that_does_not_exist_is_told_with_a_code(project):
    ended = project().celeriac("up", "--", "no-such-program", within=60)
    assert ended.returncode == 2
    assert 'UP-016 "no-such-program" cannot be run: No such file or directory' in ended.stderr


def test_a_stop_ends_the_command_first(project, eventually):
    shop = project(plan=PLAN)
    waits = "import pathlib, time; pathlib.Path('began').touch(); time.sleep(600)"
    up = shop.start_celeriac("up", "--", sys.executable, "-c", waits)
    eventually((shop.folder / "began").exists, within=60)
    family = [process.pid for process in up.family()]
    up.signal(signal.SIGTERM)
    assert up.wait(within=60) == 128 + signal.SIGTERM
    assert not any(psutil.pid_exists(pid) for pid in family)


def test_a_plan_that_cannot_run_is_told_before_long_and_the_command_is_not_run(project):
    shop = project(tasks="import no_such_module\n")
    ended = shop.celeriac("up", "--", sys.executable, "-c", "open('ran', 'w')", within=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("UP-017 not ready: web-1; the command was not run")
    assert "No module named 'no_such_module'" in (shop.folder / ".celeriac" / "up.log").read_text()
    assert not (shop.folder / "ran").exists()
