"""The executor processes on a real RabbitMQ, where the parent settles by a second end of the slot's connection."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from servers.processes_shop import PLAN, TASKS, Shop
from servers.project import Project
from servers.rabbitmq_server import RabbitMQServer
from servers.waiting import eventually


@pytest.fixture(scope="module")
def shop(rabbitmq_server: RabbitMQServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    environ = {"SHOP_BROKER": rabbitmq_server.new_vhost()}
    plan = PLAN.replace("broker =", 'results = "sqlite:///.celeriac/results.db"\nbroker =')
    project = Project(tmp_path_factory.mktemp("shop"), plan=plan, tasks=TASKS, environ=environ)
    yield Shop(project).start()
    project.close()


def test_a_hard_limit_ends_the_task_once(shop: Shop) -> None:
    assert shop.ask("out = end(t.hard.delay())") == "TimeLimitExceeded(0.5)"
    assert shop.ask("out = end(t.add.delay(1, 2))") == 3
    assert len(shop.runs("hard")) == 1


def test_a_task_that_kills_its_process_is_a_letter_after_three_runs(shop: Shop) -> None:
    assert "WorkerLostError" in shop.ask("out = end(t.poison.delay())")
    assert len(shop.runs("poison")) == 3


def test_a_task_acked_early_whose_process_ends_has_failed(shop: Shop) -> None:
    assert "WorkerLostError" in shop.ask("out = end(t.early.delay())")


def test_a_terminated_task_is_revoked_and_runs_once(shop: Shop) -> None:
    out = shop.ask(
        "import pathlib\n"
        "sent = t.hold.delay('revoked')\n"
        "while not pathlib.Path('revoked.runs').exists(): time.sleep(0.05)\n"
        "sent.revoke(terminate=True)\n"
        "out = [end(sent), end(t.add.delay(2, 3)), end(t.add.delay(3, 3))]"
    )
    assert "TaskRevokedError" in out[0]
    assert out[1:] == [5, 6]
    assert len(shop.runs("revoked")) == 1


def test_a_slot_killed_in_a_task_gives_it_back_at_once(shop: Shop) -> None:
    shop.send("shop.hold", '"killed"')
    eventually(lambda: shop.runs("killed"))
    began = time.monotonic()
    os.kill(shop.runs("killed")[0], signal.SIGKILL)
    eventually(lambda: len(shop.runs("killed")) == 2)
    assert time.monotonic() - began < 20
    shop.go("killed")
