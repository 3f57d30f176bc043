"""What celeriac.toml says of queues, workers, limits and retries."""

from datetime import timedelta
from typing import Any

import pytest
from celeriac import Plan, read_plan
from celeriac.plan import policy_for, topology
from celeriac.tasks.retry import next_delay
from django.conf import settings

from apps.main.checklist import QUEUES


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/0")
    return read_plan(settings.BASE_DIR / "celeriac.toml")


def test_each_queue_has_its_workers_and_limits(plan: Plan) -> None:
    found = {pool.queues: pool.concurrency for pool in plan.pools.values()}
    assert found == {("high_priority",): 2, ("default",): 4, ("low_priority",): 2}
    for pool in plan.pools.values():
        limits = (pool.soft_time_limit, pool.time_limit, pool.prefetch, pool.max_tasks_per_child)
        assert limits == (timedelta(seconds=60), timedelta(seconds=120), 1, 1000)
    assert plan.brokers == ("redis://cache:6379/0", "sqlite:///.celeriac/broker.db")
    assert {process.kind for process in topology(plan)} == {"worker", "recorder", "beat", "metrics", "flower"}


@pytest.mark.parametrize("task", QUEUES)
def test_each_task_is_tried_again_as_its_table_says(plan: Plan, task: str) -> None:
    retry: Any = policy_for(plan, f"apps.main.tasks.{task}").retry
    wanted = {"send_notification": [60, 120, 240], "process_user_action": [30, 60]}
    delays = [next_delay(attempt, retry, 1.0).total_seconds() for attempt in range(1, retry.limit + 1)]
    assert delays == wanted.get(task, [60, 120, 240])
    # Where a person waits the time is exact; the others are spread out, so that they do not all come back at once.
    assert retry.jitter is (task not in wanted)
