"""Where processes agree when the plan does not say."""

import pytest

from celeriac.plan import Plan

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
