"""How Flower is started, without starting it."""

from pathlib import Path

import pytest

import celeriac
from celeriac.app import flower as room
from celeriac.app.flower import Group, flower_arguments, run_flower, whole_api
from celeriac.errors import AppError
from celeriac.plan import Flower, Plan, Pool, Queue

PLAN = Plan(
    broker="memory://",
    queues={"default": Queue(), "heavy": Queue()},
    pools={"web": Pool(queues=("default",)), "batch": Pool(queues=("heavy",))},
)


def test_secrets_are_no_arguments():
    flower = Flower(
        address="127.0.0.1:5001", auth="ada:secret", url_prefix="/ops/flower/", broker_api="http://u:p@h"
    )
    told = flower_arguments(flower, Path("/kept"))
    assert told == ["--address=127.0.0.1", "--port=5001", "--url_prefix=ops/flower"]


def test_the_history_of_each_flower_is_a_file_of_its_own():
    kept = [
        flower_arguments(Flower(address=f"[::1]:{port}", keep_history=True), Path("/kept")) for port in (1, 2)
    ]
    assert [each[3] for each in kept] == ["--db=/kept/flower-1.db", "--db=/kept/flower-2.db"]


@pytest.mark.parametrize("said", ["", "/", "/api", "/api/"])
def test_the_management_api_may_be_said_without_its_path(said):
    assert whole_api(f"http://u:p@h:15672{said}") == "http://u:p@h:15672/api/"
    assert whole_api(f"https://h/rabbit{said or '/'}").startswith("https://h/rabbit/")
    assert whole_api("") == ""


def test_a_group_is_its_workers_and_what_is_sent_to_their_queues():
    group = Group(PLAN, ("batch",))
    assert [group.has(name) for name in ("batch-1@host", "web-1@host", "batch2-1@host")] == [
        True,
        False,
        False,
    ]
    assert group.is_told({"type": "task-failed", "hostname": "batch-2@host"})
    assert not group.is_told({"type": "task-failed", "hostname": "web-1@host"})
    assert group.is_told({"type": "task-sent", "hostname": "gen1@sender", "queue": "heavy"})
    assert not group.is_told({"type": "task-sent", "hostname": "gen1@sender", "queue": "default"})


def test_without_flower_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AppError, match=r"celeriac\[flower\]"):
        run_flower(celeriac.create_app(PLAN), PLAN, Flower(), lambda: None)
