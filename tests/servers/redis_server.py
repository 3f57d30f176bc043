"""A real redis-server of our own: free loopback port, own folder, gone with the test session."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import janitor

STARTS_WITHIN_S = 10.0


@dataclass(frozen=True)
class RedisServer:
    """A running server; `url` names its database 0."""

    port: int
    folder: Path
    pid: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def database(self, number: int) -> str:
        """The URL of database `number` (0 to 15), so that tests can keep out of each other's way."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def flush(self) -> None:
        """Empty every database."""
        from redis import Redis

        with Redis.from_url(self.url) as client:
            client.flushall()


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Run a redis-server in `folder` until the block ends.

    Raises: FileNotFoundError if there is no redis-server; TimeoutError, with its log, if it does not answer.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("redis-server is not installed: run scripts/install-servers")
    port = free_port()
    log = folder / "redis.log"
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--logfile", str(log), "--daemonize", "no"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    janitor.watch(process.pid)
    try:
        _wait_until_it_answers(port, process, log)
        yield RedisServer(port, folder, process.pid)
    finally:
        # A test may have stopped it with SIGSTOP: SIGKILL ends it all the same, and it holds nothing to keep.
        process.kill()
        process.wait()


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    from redis import ConnectionError as NotYet
    from redis import Redis

    deadline = time.monotonic() + STARTS_WITHIN_S
    with Redis(port=port, host="127.0.0.1", socket_timeout=1.0) as client:
        while True:
            try:
                client.ping()
            except (NotYet, TimeoutError):
                if process.poll() is not None or time.monotonic() > deadline:
                    words = log.read_text() if log.exists() else "no log"
                    raise TimeoutError(f"redis-server on port {port} does not answer: {words}") from None
                time.sleep(0.02)
            else:
                return
