"""The work of a plan at the moment, as a scaler asks for it."""

from __future__ import annotations

from celeriac.control.work import read_work
from celeriac.observe.metrics.sources import BrokerReading, QueueReading
from celeriac.plan import Plan, Queue


def test_what_is_due_waits_too_though_no_worker_has_made_it_ready(tmp_path):
    plan = Plan(queues={"a": Queue()}, folder=tmp_path)
    reading = BrokerReading(queues=[QueueReading(name="a", ready=2, delayed=5, due=3)])
    assert read_work(plan, lambda: reading, lambda: None).ready == {"a": 5}
