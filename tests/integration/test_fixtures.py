"""The fixtures themselves: what they start is real, and nothing of it is left."""

import json
import os
import signal

import psutil
import pytest

from servers.project import Project
from servers.redis_server import RedisServer, running_redis
from servers.soak import SoakFigures

#: Starts a child in a session of its own, prints its pid, and both sleep.
ESCAPES = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("child", child.pid, "ready")
time.sleep(60)
"""


def test_a_project_leaves_no_process_behind_even_one_that_left_its_group(tmp_path):
    project = Project(tmp_path / "shop", plan="", tasks="", environ={})
    running = project.start("python", "-c", ESCAPES)
    child = int(running.wait_for_log("ready").split()[1])
    running.signal(signal.SIGKILL)  # orphan the child, as a killed supervisor would
    running.wait()
    assert psutil.pid_exists(child)
    project.close()
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_waiting_for_a_log_line_ends_at_once_when_the_process_does(project):
    running = project().start("python", "-c", "print('only this')")
    with pytest.raises(RuntimeError, match="only this"):
        running.wait_for_log("ready", within=60.0)


def test_a_project_does_not_inherit_settings_of_the_shell(project, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://elsewhere")
    said = project().run("python", "-c", "import os; print(os.environ.get('CELERY_BROKER_URL'))")
    assert said.stdout.strip() == "None"


def test_the_redis_fixture_is_a_real_server_that_ends_with_its_block(tmp_path, redis_server: RedisServer):
    from redis import Redis

    with running_redis(tmp_path) as own:
        assert own.port != redis_server.port
        with Redis.from_url(own.url) as client:
            client.set("a", "b")
            assert client.get("a") == b"b"
    with pytest.raises(ProcessLookupError):
        os.kill(own.pid, 0)


def test_eventually_says_what_the_last_answer_was(eventually):
    with pytest.raises(AssertionError, match="it gave 0"):
        eventually(lambda: 0, within=0.05)


SOAKED = """
import pytest

@pytest.mark.soak
def test_long(record_property):
    record_property("kills", 500)
    print("500 kills: 0 lost")

def test_short():
    pass
"""


def test_a_soak_keeps_the_figures_of_its_long_tests_only(tmp_path):
    (tmp_path / "test_soaked.py").write_text(SOAKED)
    results = tmp_path / "results"
    options = [
        "-p",
        "no:cacheprovider",
        "-o",
        "markers=soak: long",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    assert pytest.main(options, plugins=[SoakFigures(results)]) == 0
    (written,) = results.glob("*-soak.json")
    (kept,) = json.loads(written.read_text())["tests"]
    assert (kept["outcome"], kept["figures"]) == ("passed", {"kills": 500})
    assert kept["said"] == ["500 kills: 0 lost"]
