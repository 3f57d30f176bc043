"""Pools that grow and shrink under a supervisor over real processes."""

import json
import re
import signal
import sys
from collections.abc import Callable

import psutil
import pytest

from celeriac.plan import Autoscale, Plan, Pool, Queue, Replicas
from celeriac.supervise.elastic import elastic_of, elastic_pools
from servers.project import Project, Running

#: the number of workers that is wanted stands in a file
SUPERVISE = """\
import asyncio, logging, sys
from datetime import timedelta
from pathlib import Path

from celeriac.plan import Process
from celeriac.pools.autoscale import Decision, Memory
from celeriac.supervise.elastic import Elastic
from celeriac.supervise.instance import Instance
from celeriac.supervise.output import Output, OutputHandler
from celeriac.supervise.supervisor import Reload, Supervisor

here = Path.cwd()

class Looker:
    def start(self): pass
    def stop(self): pass

class Pool:
    name, least, most = "web", 0, 3

    def decide(self, looker, workers):
        wanted = (here / "wanted").read_text().strip()
        return Decision(units=int(wanted), memory=Memory(), because="the file says so") if wanted else None

    def another(self, taken):
        name = next(f"web-{number}" for number in range(1, 9) if f"web-{number}" not in taken)
        return Process(name=name, kind="worker", pool="web", argv=(sys.executable, "busy.py"),
                       grace=timedelta(seconds=60))

async def main():
    output = Output(sys.stdout)
    logger = logging.getLogger("celeriac.supervise")
    logger.addHandler(OutputHandler(output))
    logger.setLevel(logging.INFO)
    reload = Reload(plan=here / "plan", processes=tuple) if "--reload" in sys.argv else None
    with Instance(here / ".celeriac") as instance:
        return await Supervisor(
            (), folder=here, instance=instance, output=output, reload=reload,
            elastic=lambda: Elastic([Pool()], Looker()),
        ).run()

sys.exit(asyncio.run(main()))
"""

#: once asked to stop it works on until it finds the file "done"; asked twice it says so
BUSY = """\
import os, signal, sys, time
from celeriac.supervise.lifeline import follow, say_ready

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(print("asked", flush=True)))
follow()
say_ready()
while not (asked and os.path.exists("done")):
    time.sleep(0.05)
print("finished", flush=True)
"""

Eventually = Callable[..., object]


class Web:
    def __init__(self, project: Project, *arguments: str) -> None:
        self.project = project
        project.write("supervise.py", SUPERVISE)
        project.write("busy.py", BUSY)
        self.want("")
        self.up: Running = project.start(sys.executable, "supervise.py", *arguments)
        self.up.wait_for_log("ready: 0", within=60)

    def want(self, workers: int | str) -> None:
        draft = self.project.write("wanted.new", str(workers))
        draft.replace(self.project.folder / "wanted")

    def states(self) -> dict[str, str]:
        told = json.loads((self.project.folder / ".celeriac" / "up.json").read_text())
        return {it["name"]: it["state"] for it in told["processes"]}


@pytest.fixture
def pool(project: Callable[..., Project]) -> Callable[..., Web]:
    return lambda *arguments: Web(project(), *arguments)


def test_workers_come_and_the_newest_goes_once_it_has_finished(
    pool: Callable[..., Web], eventually: Eventually
) -> None:
    web = pool()
    web.want(3)
    eventually(lambda: web.states() == dict.fromkeys(["web-1", "web-2", "web-3"], "ready"), within=60)
    web.want(1)
    eventually(
        lambda: web.states() == {"web-1": "ready", "web-2": "stopping", "web-3": "stopping"}, within=60
    )
    web.want("")
    web.project.write("done", "")
    eventually(lambda: web.states() == {"web-1": "ready"}, within=60)
    log = web.up.log
    assert "pool web has 3 workers now, and had 0: the file says so" in log
    assert sorted(re.findall(r"(web-\d) +\| finished", log)) == ["web-2", "web-3"]


def test_there_are_never_more_than_the_plan_allows_while_one_drains(
    pool: Callable[..., Web], eventually: Eventually
) -> None:
    web = pool()
    web.want(3)
    eventually(lambda: list(web.states().values()) == ["ready"] * 3, within=60)
    web.want(2)
    eventually(lambda: "stopping" in web.states().values(), within=60)
    web.want(3)
    with pytest.raises(AssertionError):
        eventually(lambda: len(web.states()) > 3, within=3)
    web.project.write("done", "")
    eventually(lambda: list(web.states().values()) == ["ready"] * 3, within=60)


def test_a_stop_asks_nobody_twice_and_leaves_nothing(
    pool: Callable[..., Web], eventually: Eventually
) -> None:
    web = pool()
    web.want(2)
    eventually(lambda: list(web.states().values()) == ["ready"] * 2, within=60)
    family = web.up.family()
    web.want(1)
    eventually(lambda: "stopping" in web.states().values(), within=60)
    web.up.signal(signal.SIGTERM)
    web.up.wait_for_log("stopping; running tasks may finish")
    eventually(lambda: web.up.log.count("| asked") == 2, within=60)
    web.project.write("done", "")
    assert web.up.wait(within=60) == 0
    assert web.up.log.count("| asked") == 2
    assert not [it for it in family if it.is_running() and it.status() != psutil.STATUS_ZOMBIE]


def test_an_edit_starts_all_of_them_again(pool: Callable[..., Web], eventually: Eventually) -> None:
    web = pool("--reload")
    web.project.write("done", "")
    web.want(2)
    eventually(lambda: list(web.states().values()) == ["ready"] * 2, within=60)
    web.want("")
    web.project.write("shop.py", "edited = True\n")
    eventually(lambda: web.up.log.count("| finished") == 2, within=60)
    eventually(lambda: list(web.states().values()) == ["ready"] * 2, within=60)
    web.project.write("plan", "edited")
    eventually(lambda: web.up.log.count("| finished") == 4, within=60)
    eventually(lambda: list(web.states().values()) == ["ready"] * 2, within=60)


def test_a_pool_with_two_bounds_is_elastic_and_others_cost_nothing() -> None:
    plan = Plan(
        queues={"default": Queue()},
        pools={
            "few": Pool(queues=("default",), replicas=2),
            "many": Pool(
                queues=("default",), replicas=Replicas(min=0, max=3), autoscale=Autoscale(min=1, max=4)
            ),
        },
    )
    assert elastic_pools(plan) == ["many"]
    assert elastic_of(plan, []) is None
    elastic = elastic_of(plan, ["many"])
    assert elastic is not None
    (many,) = elastic.pools
    assert (many.least, many.most) == (0, 3)
    another = many.another({"many-1", "many-3"})
    assert (another.name, another.replica, another.pool) == ("many-2", 2, "many")
