"""A copy of examples/assistant, and what its tests ask of it."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from servers.example import Example
from servers.project import Running
from servers.redis_server import free_port

if TYPE_CHECKING:
    from redis import Redis

#: how long anything may take; the machine may be slow
WITHIN_S = 90.0


class Assistant(Example):
    """A copy of the example; services and workers are what a fixture has started in it."""

    services: Running
    workers: Running

    def sh(self, *command: str, within: float = WITHIN_S) -> str:
        """Run a command by the project's own runner, and give what it printed."""
        done = self.run("scripts/celery/run.sh", *command, within=within)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *command: str) -> Any:
        """Run a command of `celeriac`, and read what it says as JSON."""
        return json.loads(self.sh("celeriac", *command, "--json"))

    def doctor(self) -> list[dict[str, Any]]:
        """Give what the doctor finds; its exit code says whether there is trouble among it."""
        done = self.run("scripts/celery/run.sh", "celeriac", "doctor", "--json", within=WITHIN_S)
        told = json.loads(done.stdout)
        assert done.returncode == any(it["level"] == "trouble" for it in told["findings"]), done.stderr
        return list(told["findings"])

    def troubles(self) -> list[str]:
        """Name the rules by which the doctor finds trouble."""
        return [it["rule"] for it in self.doctor() if it["level"] == "trouble"]

    def metric(self, name: str, **labels: str) -> float:
        """Sum the series of a metric that have these labels."""
        with urllib.request.urlopen(
            f"http://{self.environ['METRICS_ADDRESS']}/metrics", timeout=10
        ) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [
            line for line in lines if re.match(rf"{name}[{{ ]", line) and all(it in line for it in wanted)
        ]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def mail(self) -> Counter[str]:
        """The tasks whose messages have arrived, each as often as it did."""
        folder = self.folder / "data" / "mail" / "new"
        found = [re.search(r"Message-ID: <([^@]+)@", each.read_text()) for each in folder.glob("*")]
        return Counter(each[1] for each in found if each)

    def worker_process(self, pool: str) -> psutil.Process:
        """The main process of a pool's first worker: what `up` has started, not what that has forked."""
        (found,) = [
            each
            for each in self.workers.family()
            if {"worker", pool, "1"} <= set(each.cmdline()) and "up" in each.parent().cmdline()
        ]
        return found


def new_assistant(folder: Path, **environ: str) -> Assistant:
    """Copy the example into `folder`, with free ports for all that listens."""
    ports = {name: str(free_port()) for name in ("model", "search", "langfuse", "mail", "metrics", "flower")}
    return Assistant(
        "assistant",
        folder,
        {
            "MODEL_URL": f"http://127.0.0.1:{ports['model']}/v1",
            "SEARCH_URL": f"http://127.0.0.1:{ports['search']}",
            "LANGFUSE_HOST": f"http://127.0.0.1:{ports['langfuse']}",
            "SMTP_URL": f"smtp://127.0.0.1:{ports['mail']}",
            "METRICS_ADDRESS": f"127.0.0.1:{ports['metrics']}",
            "FLOWER_ADDRESS": f"127.0.0.1:{ports['flower']}",
            **environ,
        },
    )


def held_by_the_broker(redis: Redis) -> set[str]:
    """The ids of the tasks whose messages are anywhere in Redis."""
    text = b" ".join(
        part
        for key in redis.scan_iter()
        for part in (
            redis.lrange(key, 0, -1)
            if redis.type(key) == b"list"
            else redis.hvals(key)
            if redis.type(key) == b"hash"
            else ()
        )
    ).decode(errors="replace")
    return set(re.findall(r'\\?"id\\?": ?\\?"([0-9a-f-]{36})', text))
