"""A stand-in for Amazon SQS, which nobody can run: moto's server on a free loopback port, gone with the test session.

It keeps visibility timeouts, delays, long polls and receive counts as SQS does, and answers in one process: it says
nothing of SQS's speed, of its short polls that miss messages, or of rights.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import janitor
from servers.redis_server import free_port

STARTS_WITHIN_S = 60.0
REGION = "eu-west-1"


@dataclass(frozen=True)
class SqsServer:
    """A running server; any key and secret are let in."""

    port: int

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Give the broker URL by which it is reached at another port, a proxy's."""
        return f"sqs://key:secret@127.0.0.1:{port}"

    def client(self) -> Any:
        """Give a boto3 client that sees what is really there."""
        import boto3

        return boto3.client(
            "sqs",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )


@contextmanager
def running_sqs(folder: Path) -> Iterator[SqsServer]:
    """Run the server until the block ends; its log is in `folder`.

    Raises: TimeoutError, with its log, if it does not answer.
    """
    port = free_port()
    log = folder / "sqs.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    janitor.watch(process.pid)
    try:
        _wait_until_it_answers(port, process, log)
        yield SqsServer(port)
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"moto on port {port} does not answer: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
