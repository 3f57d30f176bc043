"""A redis-server that a test may kill, freeze and start again, and a line to it that may be cut."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from servers.redis_server import _wait_until_it_answers, free_port


class FaultyRedis:
    """A server of a test's own. What it has confirmed survives kill -9: it syncs every write."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise FileNotFoundError("redis-server is not installed: run scripts/install-servers")
        self.port = free_port()
        self._log = folder / "redis.log"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self._command += ["--logfile", str(self._log), *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        _wait_until_it_answers(self.port, self._process, self._log)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it as a stalled machine would: it accepts connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


class Proxy:
    """A TCP line to a port that can be cut, and that can lose the reply to what has been done. lost: replies so far."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._lose: bytes | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def lose_reply_to(self, marker: bytes) -> None:
        """Lose the reply to the next request that contains `marker`."""
        self._lose = marker

    def cut(self) -> None:
        """End all connections; new ones can be made."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _hang_up(pair)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Carry nothing, and end nothing: as a network that drops what it is given."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    def close(self) -> None:
        self._flowing.set()
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                near.close()
                continue
            pair = (near, far)
            with self._lock:
                self._pairs.add(pair)
            state = {"losing": False}
            for source, target, is_request in ((near, far, True), (far, near, False)):
                threading.Thread(
                    target=self._carry, args=(source, target, is_request, pair, state), daemon=True
                ).start()

    def _carry(
        self,
        source: socket.socket,
        target: socket.socket,
        is_request: bool,
        pair: tuple[socket.socket, socket.socket],
        state: dict[str, bool],
    ) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                self._flowing.wait()
                if is_request and self._lose is not None and self._lose in chunk:
                    self._lose, state["losing"] = None, True
                if not is_request and state["losing"]:
                    self.lost += 1
                    break
                target.sendall(chunk)
        with self._lock:
            self._pairs.discard(pair)
        _hang_up(pair)


def _hang_up(pair: tuple[socket.socket, socket.socket]) -> None:
    for each in pair:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
