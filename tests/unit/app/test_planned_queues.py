"""The queues of a plan, as an app declares them."""

from __future__ import annotations

from typing import Any

import pytest

from celeriac import create_app
from celeriac.plan import Plan, Policy, Queue


def declared(broker: str) -> dict[str, Any]:
    plan = Plan(
        broker=broker,
        results="rpc://",
        queues={name: Queue() for name in ("default", "high", "low")},
        tasks={
            "shop.*": Policy(queue="low"),
            "shop.report": Policy(priority=9),
            "shop.ask": Policy(queue="high", priority=0),
        },
    )
    return {queue.name: queue.max_priority for queue in create_app(plan).conf.task_queues}


def test_on_rabbitmq_the_queues_that_get_priorities_are_declared_to_keep_them():
    assert declared("amqp://broker.invalid//") == {"default": 9, "high": 9, "low": None}


@pytest.mark.parametrize("broker", ["sqlite:///broker.db", "redis://broker.invalid/0"])
def test_brokers_of_ours_keep_priorities_without_being_told(broker):
    assert set(declared(broker).values()) == {None}
