"""Where processes agree when the plan does not say."""

from datetime import timedelta

import pytest

from celeriac.plan import Beat, Plan, Schedule, check

FILE = "sqlite:///.celeriac/records.db"


@pytest.mark.parametrize(
    ("broker", "place"),
    [
        ("sqlite:///.celeriac/broker.db", FILE),
        ("amqp://h", FILE),
        ("sentinel://h:26379", FILE),
        ("redis://a;redis://b", FILE),
        ("redis://user:p%40ss@h:6380/3", "redis://user:p%40ss@h:6380/3"),
        ("redis://h/0?lease=5", "redis://h/0"),
        (
            "rediss://h/0?ssl_cert_reqs=CERT_REQUIRED&lease=5",
            "rediss://h/0?ssl_cert_reqs=CERT_REQUIRED",
        ),
        ("redis+socket:///run/redis.sock?virtual_host=2", "unix:///run/redis.sock?db=2"),
        ("redis+socket:///run/redis.sock", "unix:///run/redis.sock?db=0"),
    ],
)
def test_a_redis_broker_is_where_all_workers_agree(broker, place):
    assert Plan(broker=broker).coordination == place


def test_a_server_of_the_state_and_what_the_plan_names_come_first():
    assert Plan(broker="redis://h", state="postgresql://db/shop").coordination == "postgresql://db/shop"
    assert Plan(broker="redis://h", coordination="sqlite:///a.db").coordination == "sqlite:///a.db"


def test_it_goes_along_with_the_broker_that_is_chosen():
    plan = Plan(broker=("redis://h/0", "sqlite:///.celeriac/broker.db"))
    assert plan.coordination == "redis://h/0"
    assert plan.on(plan.brokers[1], "the other is away").coordination == FILE


def test_beats_that_could_each_lead_are_warned_of():
    tick = {"tick": Schedule(task="t", every=timedelta(seconds=1))}
    shared = {"state": "postgresql://db/x"}
    assert "PLAN-096" in codes_of(Plan(broker="amqp://broker", schedules=tick))
    assert "PLAN-096" in codes_of(Plan(broker="amqp://broker", beat=Beat(replicas=1)))
    assert "PLAN-096" not in codes_of(Plan(broker="amqp://broker"))
    assert "PLAN-096" not in codes_of(Plan(broker="amqp://broker", schedules=tick, **shared))
    assert "PLAN-096" not in codes_of(Plan(broker="redis://broker", schedules=tick))
    assert "PLAN-096" not in codes_of(Plan(schedules=tick))


def codes_of(plan: Plan) -> list[str]:
    return [problem.code for problem in check(plan)]
