"""A real RabbitMQ of our own: free loopback ports, own folder, gone with the test session."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.redis_server import free_port

STARTS_WITHIN_S = 60.0
TRIES = 3
#: Debian's wrapper in the PATH changes to a user of its own; this is the program itself.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@dataclass(frozen=True)
class RabbitMQServer:
    """A running server with its default user; `url` names its default virtual host.

    management_port: where its management API and pages are; None if it was started without.
    """

    port: int
    management_port: int | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def api(self) -> str:
        """The URL of the management API, with its user."""
        assert self.management_port is not None, "started without management"
        return f"http://guest:guest@127.0.0.1:{self.management_port}/api/"

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """Ask the management API, as `ask("GET", "queues/%2f")`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management_port}/api/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def new_vhost(self) -> str:
        """Make an empty virtual host, and give the broker URL that names it."""
        name = f"vhost-{uuid.uuid4().hex}"
        self.ask("PUT", f"vhosts/{name}", {})
        self.ask("PUT", f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{name}"


@contextmanager
def running_rabbitmq(
    folder: Path, *, management: bool = False, settings: str = ""
) -> Iterator[RabbitMQServer]:
    """Run a RabbitMQ in `folder` until the block ends.

    management: with its management plugin, which takes a little longer to start.
    settings: further lines of its rabbitmq.conf.

    Raises: FileNotFoundError if there is none; TimeoutError, with its log, if it does not answer.
    """
    node = _started(folder, management, settings)
    try:
        yield node.server
    finally:
        node.kill()


def _started(folder: Path, management: bool, settings: str) -> _Node:
    """Start a node. Four ports are found free for it, any of which may be taken until it comes to use them."""
    for attempt in range(1, TRIES + 1):
        node = _Node(folder / f"node-{attempt}", management, settings)
        try:
            node.wait()
        except TimeoutError:
            has_ended = node.process.poll() is not None
            node.kill()
            if not has_ended or attempt == TRIES:
                raise
        else:
            return node
    raise AssertionError("unreachable")


class _Node:
    """One RabbitMQ, and the daemon that knows its name."""

    def __init__(self, folder: Path, management: bool, settings: str) -> None:
        epmd = shutil.which("epmd")
        if epmd is None or not PROGRAM.exists():
            raise FileNotFoundError("rabbitmq-server is not installed: run scripts/install-servers")
        folder.mkdir()
        port, names_port = free_port(), free_port()
        self.server = RabbitMQServer(port, free_port() if management else None)
        plugins, config = folder / "plugins", folder / "rabbitmq.conf"
        plugins.write_text("[rabbitmq_management].\n" if management else "[].\n")
        # Queues are counted every second, where the plugin's default is five.
        config.write_text(
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.server.management_port}\n"
            f"collect_statistics_interval = 1000\n{settings}"
            if management
            else settings
        )
        environ = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"celeriac-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }
        self._log = folder / "output.log"
        with self._log.open("wb") as out:
            self._names = subprocess.Popen(
                [epmd, "-port", str(names_port)], env=environ, stdin=subprocess.DEVNULL
            )
            self.process = subprocess.Popen(
                [PROGRAM],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it serves.

        Raises: TimeoutError, with its log, if it has ended, or does not answer in time.
        """
        _wait_until_it_listens(self.server.port, self.process, self._log)
        if self.server.management_port is not None:
            _wait_until_it_counts(self.server, self.process, self._log)

    def kill(self) -> None:
        """End both; the server may have ended by itself."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._names.kill()
        self._names.wait()


def _wait_until_it_counts(running: RabbitMQServer, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            running.ask("GET", "overview")
        except OSError as not_yet:
            if server.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(
                    f"the management of RabbitMQ does not answer: {log.read_text(errors='replace')}"
                ) from not_yet
            time.sleep(0.05)
        else:
            return


def _wait_until_it_listens(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                if probe.recv(1):
                    return
        except OSError:
            pass
        if server.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"RabbitMQ on port {port} does not answer: {log.read_text(errors='replace')}")
        time.sleep(0.05)
