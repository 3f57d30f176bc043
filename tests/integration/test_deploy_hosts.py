"""What is rendered for Compose, systemd and supervisor, held against the real tools and run as it is written."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from servers.programs import needed
from servers.project import PROGRAMS, Project, Running

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
[queues.default]
[pools.web]
queues = ["default"]
concurrency = 1
grace = "30s"
[metrics]
address = "127.0.0.1:0"
[schedules.tick]
task = "shop.tick"
every = "1h"
[logs]
format = "json"
[deploy]
folder = "{folder}"
user = "root"
"""

TASKS = """\
import time
from pathlib import Path
from celery import shared_task

@shared_task(name="shop.tick")
def tick(): ...

@shared_task(name="shop.hold")
def hold():
    with Path("held").open("a") as held:
        held.write("once\\n")
    while not Path("go on").exists():
        time.sleep(0.02)
    Path("ended").touch()
"""


@pytest.fixture
def shop(project: Callable[..., Project], tmp_path: Path) -> Project:
    """A project that lies where its units say, with its environment beside it."""
    shop = project(tasks=TASKS)
    port = free_port()
    shop.write("celeriac.toml", PLAN.format(folder=shop.folder).replace(":0", f":{port}"))
    (shop.folder / ".venv").mkdir()
    (shop.folder / ".venv" / "bin").symlink_to(PROGRAMS)
    return shop


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def rendered(shop: Project, target: str) -> Path:
    done = shop.celeriac("render", target, "--output", target)
    assert done.returncode == 0, done.stderr
    return shop.folder / target


COMPOSED = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
broker = "${{CELERY_BROKER_URL:-{broker}}}"
state = "postgresql://localhost/shop"
[queues.default]
[pools.web]
queues = ["default"]
replicas = 2
resources = {{ cpu = "2", memory = "2GiB" }}
[metrics]
[flower]
[schedules.tick]
task = "shop.tick"
every = "1h"
"""


@pytest.mark.parametrize(
    ("broker", "password"),
    [
        ("sqlite:///.celeriac/broker.db", {}),
        ("redis://localhost:6379/0", {"REDIS_PASSWORD": "a"}),
        ("amqp://localhost:5672//", {"RABBITMQ_PASSWORD": "a"}),
    ],
)
def test_compose_takes_the_file_and_asks_for_each_password(
    project: Callable[..., Project], broker: str, password: dict[str, str]
) -> None:
    compose = needed("docker-compose")
    shop = project(plan=COMPOSED.format(broker=broker), tasks=TASKS)
    file = rendered(shop, "compose") / "compose.yaml"
    shop.environ.update({**password, "POSTGRES_PASSWORD": "b"})
    by_schema = [needed("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]
    specified = shop.run(*by_schema, within=60)
    assert specified.returncode == 0, specified.stdout
    taken = shop.run(compose, "--file", str(file), "config", within=60)
    assert taken.returncode == 0, taken.stderr
    assert "celeriac probe" in taken.stdout or "- probe" in taken.stdout
    del shop.environ["POSTGRES_PASSWORD"]
    refused = shop.run(compose, "--file", str(file), "config", within=60)
    assert refused.returncode != 0
    assert "set it in .env" in refused.stderr


def test_systemd_takes_every_unit(shop: Project) -> None:
    analyze = needed("systemd-analyze")
    folder = rendered(shop, "systemd")
    units = sorted(str(file) for file in folder.iterdir() if file.suffix in (".service", ".target"))
    verified = shop.run(analyze, "verify", "--man=no", *units, within=60)
    said = [line for line in (verified.stderr + verified.stdout).splitlines() if "shop" in line]
    assert (verified.returncode, said) == (0, [])


def unit_line(file: Path, key: str) -> str:
    [value] = re.findall(rf"^{key}=(.*)$", file.read_text(), re.MULTILINE)
    return str(value)


class Notified:
    """The socket systemd would listen at for sd_notify."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(60)

    def wait(self) -> bytes:
        return self._socket.recv(1024)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def notified(shop: Project) -> Iterator[Notified]:
    # Paths of such sockets are short; the tests' folders may not be.
    path = Path(f"/tmp/celeriac-{os.getpid()}.notify")
    listening = Notified(path)
    shop.environ["NOTIFY_SOCKET"] = str(path)
    yield listening
    listening.close()
    path.unlink()


def start_unit(shop: Project, file: Path, instance: str = "1") -> Running:
    """Start what a unit says, as systemd would: no shell, with %i filled in."""
    return shop.start(*shlex.split(unit_line(file, "ExecStart").replace("%i", instance)))


@pytest.mark.parametrize(
    "name", ["shop-web@.service", "shop-recorder.service", "shop-beat.service", "shop-metrics.service"]
)
def test_every_unit_starts_as_written_and_says_when_it_is_ready(
    shop: Project, notified: Notified, name: str
) -> None:
    file = rendered(shop, "systemd") / name
    assert unit_line(file, "Type") == "notify"
    running = start_unit(shop, file)
    assert notified.wait() == b"READY=1", running.log
    assert running.stop(within=60) == 0, running.log


def test_a_busy_unit_drains_within_its_grace(
    shop: Project, notified: Notified, eventually: Callable[..., object]
) -> None:
    file = rendered(shop, "systemd") / "shop-web@.service"
    worker = start_unit(shop, file)
    notified.wait()
    shop.celeriac("send", "shop.hold")
    eventually((shop.folder / "held").exists, within=60)
    worker.signal(getattr(signal, unit_line(file, "KillSignal")))
    (shop.folder / "go on").touch()
    assert worker.wait(within=float(unit_line(file, "TimeoutStopSec"))) == 0
    assert (shop.folder / "ended").exists()
    assert (shop.folder / "held").read_text() == "once\n"


def test_what_a_unit_is_killed_with_runs_again(
    shop: Project, notified: Notified, eventually: Callable[..., object]
) -> None:
    file = rendered(shop, "systemd") / "shop-web@.service"
    worker = start_unit(shop, file)
    notified.wait()
    shop.celeriac("send", "shop.hold")
    eventually((shop.folder / "held").exists, within=60)
    worker.signal(signal.SIGTERM)
    worker.signal_group(signal.SIGKILL)  # KillMode=mixed, when the time is over
    (shop.folder / "go on").touch()
    start_unit(shop, file)
    eventually((shop.folder / "ended").exists, within=60)
    assert (shop.folder / "held").read_text() == "once\nonce\n"


def test_its_lines_are_json_for_the_journal(shop: Project, notified: Notified) -> None:
    running = start_unit(shop, rendered(shop, "systemd") / "shop-metrics.service")
    notified.wait()
    running.stop(within=60)
    lines = [line for line in running.log.splitlines() if line]
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_supervisor_runs_the_programs(
    shop: Project, eventually: Callable[..., object], tmp_path: Path
) -> None:
    supervisord, control = needed("supervisord"), needed("supervisorctl")
    conf = (
        (rendered(shop, "supervisor") / "shop.conf").read_text().replace("/var/log/supervisor", str(tmp_path))
    )
    port = free_port()
    head = (
        f"[supervisord]\nlogfile={tmp_path}/supervisord.log\npidfile={tmp_path}/supervisord.pid\nuser=root\n"
        f"childlogdir={tmp_path}\n[inet_http_server]\nport=127.0.0.1:{port}\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    )
    file = shop.write("supervisord.conf", head + conf)
    # Debian's program, with its own Python: ours must not be on its path.
    shop.environ.pop("PYTHONPATH")
    daemon = shop.start(supervisord, "--nodaemon", "--configuration", str(file))

    def states() -> list[str]:
        asked = subprocess.run(
            [control, "--serverurl", f"http://127.0.0.1:{port}", "status"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [line.split()[1] for line in asked.stdout.splitlines()]

    eventually(lambda: states() == ["RUNNING"] * 4, within=60)
    eventually(lambda: "healthy: web-1@" in shop.celeriac("probe").stdout, within=60)
    assert daemon.stop(within=60) == 0


def in_a_container(shop: Project, service: dict[str, Any]) -> Running:
    """Start a service of a Compose file as its container would: its command, its environment, no shell."""
    shop.environ.update({name: value for name, value in service["environment"].items() if "$" not in value})
    return shop.start(*service["command"])


def test_compose_services_run_as_written_are_healthy_and_drain(
    project: Callable[..., Project], eventually: Callable[..., object]
) -> None:
    port = free_port()
    plan = COMPOSED.format(broker="sqlite:///.celeriac/broker.db").replace(
        'state = "postgresql://localhost/shop"\n', ""
    )
    shop = project(
        plan=plan.replace("[metrics]", f'[metrics]\naddress = "127.0.0.1:{port}"').replace("[flower]\n", ""),
        tasks=TASKS,
    )
    text = (rendered(shop, "compose") / "compose.yaml").read_text()
    services = YAML(typ="safe", pure=True).load(text)["services"]
    assert set(services) == {"web", "recorder", "beat", "metrics"}
    running = {name: in_a_container(shop, service) for name, service in services.items()}
    running["web"].wait_for_log("ready.", within=60)
    for name in ("web", "metrics"):
        check = services[name]["healthcheck"]["test"]
        assert check[0] == "CMD"
        eventually(lambda check=check: shop.run(*check[1:]).returncode == 0, within=60)
    sent = shop.celeriac("send", "shop.hold")
    assert sent.returncode == 0, sent.stderr
    eventually((shop.folder / "held").exists, within=60)
    running["web"].signal(signal.SIGTERM)
    (shop.folder / "go on").touch()
    grace_s = float(services["web"]["stop_grace_period"].removesuffix("s"))
    assert running["web"].wait(within=grace_s) == 0
    assert (shop.folder / "ended").exists()
    assert (shop.folder / "held").read_text() == "once\n"
