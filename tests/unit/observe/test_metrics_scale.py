"""The scale of a pool: what is asked, who may ask, and what is said while the broker is away."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from celeriac.observe.metrics.readings import Sources
from celeriac.observe.metrics.scaling import Scaling, WorkReading
from celeriac.observe.metrics.server import Pages
from celeriac.plan import Plan, Pool, Queue, Resources

PLAN = Plan(
    queues={"chat": Queue(), "mail": Queue(), "bulk": Queue()},
    pools={
        "high": Pool(queues=("chat",), concurrency=4),
        "low": Pool(queues=("mail", "bulk", "chat"), concurrency=2),
    },
)


def work() -> WorkReading:
    return WorkReading(ready={"chat": 5, "mail": 2, "bulk": 0}, running={"high": 3, "": 9})


def away() -> WorkReading:
    raise ConnectionError("no broker")


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., tuple[HTTPStatus, str]]:
    """GET a path of the pages: status and body."""

    def asked(
        path: str, *, source=work, auth: str = "", given: str = "", plan: Plan = PLAN
    ) -> tuple[HTTPStatus, str]:
        pages = Pages(CollectorRegistry(), Sources(plan), auth, Scaling(plan, source))
        _, status, body = pages.answer(path, authorization=given)
        return status, body.decode()

    return asked


def test_what_waits_and_what_runs_is_told_in_workers(ask):
    status, body = ask("/scale/high")
    assert status == HTTPStatus.OK
    assert json.loads(body) == {
        "pool": "high",
        "workers": 2.0,
        "ready": 5,
        "running": 3,
        "slots": 4,
        "queues": {"chat": 5},
    }


def test_a_queue_of_two_pools_counts_in_both(ask):
    told = json.loads(ask("/scale/low")[1])
    assert told["queues"] == {"mail": 2, "bulk": 0, "chat": 5}
    assert told["workers"] == 3.5


def test_a_pool_nobody_declared_is_not_found_and_the_others_are_named(ask):
    assert ask("/scale/hgih") == (
        HTTPStatus.NOT_FOUND,
        "the plan declares no such pool; known: high, low\n",
    )


def test_while_the_broker_is_away_nobody_is_told_a_number(ask):
    status, body = ask("/scale/high", source=away)
    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "workers" not in json.loads(body)


@pytest.mark.parametrize("path", ["/scale/high", "/scale/nobody"])
def test_who_may_not_read_the_metrics_may_not_read_the_scale(ask, path):
    assert ask(path, auth="keda:s3cret")[0] == HTTPStatus.UNAUTHORIZED
    assert ask(path, auth="keda:s3cret", given="Bearer keda")[0] == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    "given",
    [
        "Basic " + base64.b64encode(b"keda:s3cret").decode(),
        "Bearer keda:s3cret",
        "Bearer prometheus:other,keda:s3cret",
    ],
)
def test_the_password_is_taken_as_a_pair_or_as_the_variable_holds_it(ask, given):
    assert ask("/scale/high", auth="prometheus:other,keda:s3cret", given=given)[0] == HTTPStatus.OK


def test_a_process_that_reads_no_broker_tells_no_scale():
    pages = Pages(CollectorRegistry(), Sources(PLAN))
    _, status, body = pages.answer("/scale/high")
    assert status == HTTPStatus.NOT_FOUND
    assert b"/scale" not in body


def test_slots_follow_the_cpus_a_pool_may_use(ask):
    pool = Pool(queues=("chat",), profile="cpu", resources=Resources(cpu="1500m"))
    plan = Plan(queues={"chat": Queue()}, pools={"crunch": pool})
    assert json.loads(ask("/scale/crunch", plan=plan)[1])["slots"] == 2
