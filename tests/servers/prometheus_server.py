"""A real Prometheus of our own: free loopback port, own folder, scraping one target, gone with its block."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.redis_server import free_port

STARTS_WITHIN_S = 20.0

CONFIG = """\
global:
  scrape_interval: 250ms
  scrape_timeout: 250ms
scrape_configs:
  - job_name: celeriac
    static_configs:
      - targets: ["{target}"]
"""
BASIC_AUTH = """\
    basic_auth: {{ username: "{user}", password: "{password}" }}
"""


@dataclass(frozen=True)
class PrometheusServer:
    """A running server that scrapes one target four times a second."""

    port: int

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """Ask an instant query of its HTTP API: labels and value of each series."""
        query = urllib.parse.urlencode({"query": promql})
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/api/v1/query?{query}", timeout=5
        ) as answer:
            content = json.load(answer)
        return [(each["metric"], float(each["value"][1])) for each in content["data"]["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """Give every rule it has loaded: name, type, health, its last error."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/rules", timeout=5) as answer:
            content = json.load(answer)
        return [rule for group in content["data"]["groups"] for rule in group["rules"]]

    def value(self, promql: str) -> float | None:
        """Ask a query that gives one series; None if there is none yet."""
        found = self.query(promql)
        return found[0][1] if found else None


@contextmanager
def running_prometheus(
    folder: Path, target: str, auth: str = "", config_text: str = ""
) -> Iterator[PrometheusServer]:
    """Run Prometheus in `folder` until the block ends, scraping `target` (host:port).

    auth: "user:password" to scrape with, if the target wants one.
    config_text: its whole configuration instead; what it names is taken from `folder`.

    Raises: FileNotFoundError if it is not installed; TimeoutError, with its log, if it does not answer.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise FileNotFoundError("prometheus is not installed: run scripts/install-servers")
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "prometheus.log"
    config = folder / "prometheus.yml"
    user, _, password = auth.partition(":")
    text = CONFIG.format(target=target)
    scrape = text + BASIC_AUTH.format(user=user, password=password) if auth else text
    config.write_text(config_text or scrape)
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(port, process, log)
        yield PrometheusServer(port)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(
                f"prometheus on port {port} does not answer: {log.read_text(errors='replace')}"
            )
        time.sleep(0.05)
