"""A real PostgreSQL of our own: free loopback port, own folder, gone with the test session."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.redis_server import free_port

STARTS_WITHIN_S = 20.0
#: where Debian keeps the programs, newest version last
DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class PostgresServer:
    """A running server, whose user "postgres" needs no password; `pid` is its postmaster's."""

    port: int
    folder: Path
    pid: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def new_database(self) -> str:
        """Make an empty database and give its URL."""
        import psycopg

        name = f"db_{uuid.uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self.url.rpartition("/")[0] + f"/{name}"


def _program(name: str) -> str:
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parent.parent.name))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} of PostgreSQL is not installed: run scripts/install-servers")
    return found


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL until the block ends; nothing it writes is synced, so it starts quickly.

    Raises: FileNotFoundError if it is not installed; TimeoutError, with its log, if it does not answer.
    """
    initdb, server = _program("initdb"), _program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="celeriac-pg-"))
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True, "cwd": folder}
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        unprivileged = pwd.getpwnam("nobody")
        os.chown(folder, unprivileged.pw_uid, unprivileged.pw_gid)
        options |= {"user": unprivileged.pw_uid, "group": unprivileged.pw_gid, "extra_groups": []}
    data, log, port = folder / "data", folder / "postgres.log", free_port()
    process: subprocess.Popen[bytes] | None = None
    try:
        subprocess.run(
            [
                initdb,
                "-D",
                str(data),
                "-U",
                "postgres",
                "--auth=trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        command = [server, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        command += ["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=100"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, **options)
        running = PostgresServer(port, folder, process.pid)
        _wait_until_it_answers(running, process, log)
        yield running
    finally:
        if process is not None:
            # A test may have stopped it with SIGSTOP; its children end when they see the postmaster gone.
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGQUIT)
            process.wait(STARTS_WITHIN_S)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(server.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL does not answer: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
