"""Units: the topology grouped, with names, replicas and the time to stop."""

from __future__ import annotations

from datetime import timedelta

from celeriac.deploy.units import units
from celeriac.plan import Beat, Deploy, Flower, Plan, Policy, Pool, Queue, Replicas, Schedule, topology

SECOND = timedelta(seconds=1)


def plan(**fields) -> Plan:
    return Plan(queues={"a": Queue(), "b": Queue()}, **fields)


def one(given: Plan, name: str = "web"):
    return next(unit for unit in units(given) if unit.name == name)


def test_every_process_of_the_topology_has_its_unit(assistant):
    named = {process.pool or process.name for process in topology(assistant)}
    # A pool with no workers now has a unit too: something may start them.
    assert {unit.name for unit in units(assistant)} == named | {"low"}


def test_the_command_line_is_that_of_every_replica(assistant):
    assert [unit.argv for unit in units(assistant)] == [
        ("celeriac", "worker", "high"),
        ("celeriac", "worker", "low"),
        ("celeriac", "recorder"),
        ("celeriac", "beat"),
        ("celeriac", "metrics"),
        ("celeriac", "flower"),
    ]


def test_it_is_killed_after_its_grace():
    unit = one(plan(pools={"web": Pool(queues=("a",), grace=90 * SECOND, time_limit=30 * SECOND)}))
    assert unit.stop_after == 95 * SECOND
    assert "[pools.web].grace" in unit.why


def test_it_is_not_killed_before_twice_the_longest_task():
    unit = one(plan(pools={"web": Pool(queues=("a",), grace=60 * SECOND, time_limit=50 * SECOND)}))
    assert unit.stop_after == 105 * SECOND


def test_a_policys_limit_counts_in_the_pools_that_read_its_queue():
    given = plan(
        pools={"web": Pool(queues=("a",)), "other": Pool(queues=("b",))},
        tasks={"slow.*": Policy(queue="a", time_limit=600 * SECOND)},
    )
    assert one(given).longest == 600 * SECOND
    assert one(given, "other").longest is None


def test_beats_are_as_many_as_the_plan_says():
    given = plan(schedules={"s": Schedule(task="t", every=SECOND)}, beat=Beat(replicas=2))
    assert one(given, "beat").replicas == Replicas(min=2, max=2)


def test_a_name_of_its_own_is_what_targets_call_it():
    given = plan(pools={"web": Pool(queues=("a",))}, deploy=Deploy(names={"web": "worker"}))
    assert one(given).title == "worker"


def test_flower_under_a_prefix_is_asked_there_whether_it_lives():
    given = plan(flower=Flower(), flowers={"heavy": Flower(url_prefix="/ops/flower")})
    assert one(given, "flower").health == "/healthcheck"
    assert one(given, "flower-heavy").health == "/ops/flower/healthcheck"
