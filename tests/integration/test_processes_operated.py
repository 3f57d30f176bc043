"""The executor processes as an operator sees it: one worker in Flower and status, exact counts, scaled slots."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Callable
from typing import Any

from servers.processes_shop import PLAN, TASKS, Shop
from servers.project import Project
from servers.redis_server import free_port
from servers.waiting import eventually


def get(url: str) -> str:
    return str(urllib.request.urlopen(url, timeout=20).read().decode())


def test_one_worker_is_seen_scaled_and_counted(project: Callable[..., Project]) -> None:
    metrics, flower = free_port(), free_port()
    plan = PLAN.replace("concurrency = 2", "autoscale = { min = 1, max = 3 }").replace(
        "[queues.default]", '[queues.default]\nmax_wait = "1s"'
    )
    plan += f'[metrics]\naddress = "127.0.0.1:{metrics}"\n[flower]\naddress = "127.0.0.1:{flower}"\n'
    made = project(plan=plan, tasks=TASKS)
    made.environ["FLOWER_UNAUTHENTICATED_API"] = "true"
    shop = Shop(made)
    shop.worker = made.start_celeriac("worker", "web")
    shop.worker.wait_for_log("ready.")
    for service in ("metrics", "flower"):
        made.start_celeriac(service)
    eventually(lambda: len(shop.slots()) == 1)

    shop.ask("out = [t.compute.delay(0.2).id for _ in range(60)]")
    eventually(lambda: len(shop.slots()) == 3)
    status = json.loads(made.celeriac("status", "--json").stdout)
    readers = [it for it in status["consumers"] if it["queues"] == ["default"]]
    assert [it["name"].partition("@")[0] for it in readers] == ["web-1"] * len(readers)
    assert [it["consumers"] for it in status["queues"] if it["name"] == "default"] == [1]

    shop.send("shop.hold", '"counted"')
    eventually(lambda: shop.runs("counted"))
    os.kill(shop.runs("counted")[0], signal.SIGKILL)
    eventually(lambda: len(shop.runs("counted")) == 2)
    shop.go("counted")

    def completions() -> dict[str, float]:
        pattern = r'^celeriac_task_completions_total{task="([^"]+)"} ([0-9.]+)$'
        counts = re.findall(pattern, get(f"http://127.0.0.1:{metrics}/metrics"), re.MULTILINE)
        return {name: float(count) for name, count in counts}

    eventually(lambda: completions() == {"shop.compute": 60.0, "shop.hold": 1.0})

    def workers() -> Any:
        return json.loads(get(f"http://127.0.0.1:{flower}/api/workers?refresh=1"))

    (name, seen) = eventually(lambda: next(iter(workers().items()), None))
    assert name.startswith("web-1@")
    assert [it["name"] for it in seen["active_queues"]] == ["default"]
    assert sorted(seen["stats"]["pool"]["processes"]) == shop.slots()
