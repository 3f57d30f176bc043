"""What a plan says of Flower."""

import pytest

from celeriac.errors import PlanError
from celeriac.plan import Flower, Plan, Pool, Queue, check, read_plan, topology
from celeriac.plan.flowers import host_and_port
from celeriac.plan.tables.observing import Metrics

BASE = {"queues": {"default": Queue()}, "pools": {"web": Pool(queues=("default",))}}


def codes(**parts) -> list[str]:
    return [problem.code for problem in check(Plan(**{**BASE, **parts}))]


def written(tmp_path, flower: str, **environ: str) -> Plan:
    path = tmp_path / "celeriac.toml"
    path.write_text(f'[queues.default]\n[pools.web]\nqueues = ["default"]\n[flower]\n{flower}\n')
    return read_plan(path, environ=environ)


def test_each_flower_is_a_process_of_its_own():
    plan = Plan(**BASE, flower=Flower(), flowers={"heavy": Flower(address="127.0.0.1:5001", pools=("web",))})
    lines = {it.name: it.argv for it in topology(plan) if it.kind == "flower"}
    assert lines == {
        "flower": ("celeriac", "flower"),
        "flower-heavy": ("celeriac", "flower", "heavy"),
    }
    assert not check(plan)


def test_a_secret_comes_from_a_variable_and_never_stands_in_the_file(tmp_path):
    plan = written(tmp_path, 'auth = "${FLOWER_BASIC_AUTH:-}"', FLOWER_BASIC_AUTH="ada:secret")
    assert plan.flower.auth == "ada:secret"
    with pytest.raises(PlanError) as refused:
        written(tmp_path, 'auth = "ada:hush"')
    assert [problem.code for problem in refused.value.problems] == ["PLAN-075"]
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("flower", "code"),
    [
        (Flower(address="5555"), "PLAN-076"),
        (Flower(address="127.0.0.1:70000"), "PLAN-076"),
        (Flower(pools=("wbe",)), "PLAN-077"),
        (Flower(broker_api="http://h:15672/api/"), "PLAN-078"),
        (Flower(address="0.0.0.0:5555"), "PLAN-079"),
        (Flower(address="127.0.0.1:9540"), "PLAN-080"),
        (Flower(url_prefix="a b"), "PLAN-081"),
        (Flower(auth="nobody"), "PLAN-082"),
    ],
)
def test_what_could_not_be_meant_is_said(flower, code):
    assert codes(flower=flower, metrics=Metrics(address="127.0.0.1:9540")) == [code]


def test_what_is_wrong_with_a_password_does_not_say_it():
    (problem,) = check(Plan(**BASE, flower=Flower(auth="hush")))
    assert "hush" not in str(problem)


def test_an_open_flower_behind_a_password_is_well():
    assert codes(flower=Flower(address="0.0.0.0:5555", auth="ada:secret")) == []


def test_two_flowers_do_not_share_an_address_and_have_names():
    assert codes(flower=Flower(), flowers={"heavy": Flower()}) == ["PLAN-080"]
    assert codes(flowers={"a b": Flower()}) == ["PLAN-083"]


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:5555", ("127.0.0.1", 5555)),
        ("[::1]:80", ("::1", 80)),
        ("flower.internal:5555", ("flower.internal", 5555)),
        ("127.0.0.1", None),
        ("127.0.0.1:0", None),
        (":5555", None),
    ],
)
def test_an_address_is_a_host_and_a_port(address, parts):
    assert host_and_port(address) == parts
