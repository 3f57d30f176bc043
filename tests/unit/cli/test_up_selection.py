"""What `celeriac up` runs: --only and --scale over the plan."""

import pytest

from celeriac.cli.up import chosen, scaled
from celeriac.errors import CommandError
from celeriac.plan import Plan, Pool, Queue

PLAN = Plan(
    queues={"default": Queue()},
    pools={"web": Pool(queues=("default",)), "batch": Pool(queues=("default",), replicas=2)},
)


def names(plan, only=()):
    return [process.name for process in chosen(plan, only)]


def test_everything_runs_unless_told_otherwise():
    assert names(PLAN) == ["web-1", "batch-1", "batch-2", "recorder"]


def test_only_takes_pools_and_services():
    assert names(PLAN, ["batch"]) == ["batch-1", "batch-2"]
    assert names(PLAN, ["web", "recorder"]) == ["web-1", "recorder"]


def test_only_of_an_unknown_pool_names_the_nearest():
    with pytest.raises(CommandError) as refused:
        chosen(PLAN, ["bacth"])
    assert refused.value.fix == 'write "batch"'
    assert "recorder" in refused.value.known


def test_scale_wins_over_the_plans_replicas():
    assert names(scaled(PLAN, ["web=3", "batch=0"])) == ["web-1", "web-2", "web-3", "recorder"]


@pytest.mark.parametrize("text", ["web", "web=", "web=x", "web=-1", "web=1.5", "web=100000", "=3"])
def test_a_scale_that_cannot_be_read_is_refused(text):
    with pytest.raises(CommandError):
        scaled(PLAN, [text])


def test_nothing_to_run_is_refused():
    with pytest.raises(CommandError) as refused:
        chosen(scaled(PLAN, ["web=0"]), ["web"])
    assert refused.value.code in {"UP-011", "UP-012"}
