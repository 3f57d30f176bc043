"""A real RabbitMQ of our own: free loopback ports, own folder, gone with the test session."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers.redis_server import free_port

STARTS_WITHIN_S = 60.0
#: Debian's wrapper in the PATH changes to a user of its own; this is the program itself.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@dataclass(frozen=True)
class RabbitMQServer:
    """A running server with its default user; `url` names its default virtual host."""

    port: int

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[RabbitMQServer]:
    """Run a RabbitMQ in `folder` until the block ends.

    Raises: FileNotFoundError if there is none; TimeoutError, with its log, if it does not answer.
    """
    epmd = shutil.which("epmd")
    if epmd is None or not PROGRAM.exists():
        raise FileNotFoundError("rabbitmq-server is not installed: run scripts/install-servers")
    port, names_port = free_port(), free_port()
    plugins = folder / "plugins"
    plugins.write_text("[].\n")
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
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    log = folder / "output.log"
    with log.open("wb") as out:
        names = subprocess.Popen([epmd, "-port", str(names_port)], env=environ, stdin=subprocess.DEVNULL)
        server = subprocess.Popen(
            [PROGRAM], env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _wait_until_it_listens(port, server, log)
        yield RabbitMQServer(port)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        names.kill()
        names.wait()


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
