"""Replicas, resources, names of the targets, and the variables a plan reads."""

from __future__ import annotations

import pytest

from celeriac.errors import PlanError
from celeriac.plan import Plan, Pool, Queue, Replicas, Resources, Variable, check, read_plan, topology

PLAN = """
[celeriac]
name = "shop"
broker = "${BROKER_URL:-sqlite:///.celeriac/broker.db}"
[queues.a]
[pools.web]
queues = ["a"]
%s
[flower]
address = "${HOST:-127.0.0.1}:${PORT:-5555}"
auth = "${FLOWER_AUTH:-}"
[deploy]
%s
"""


def read(folder, pool="", deploy="", **environ) -> Plan:
    (folder / "celeriac.toml").write_text(PLAN % (pool, deploy))
    return read_plan(folder, environ=environ)


def codes(folder, **parts) -> list[str]:
    with pytest.raises(PlanError) as raised:
        read(folder, **parts)
    return [problem.code for problem in raised.value.problems]


def test_replicas_are_a_number_or_two_bounds(tmp_path):
    assert read(tmp_path, pool="replicas = 3").pools["web"].workers == Replicas(min=3, max=3)
    bounded = read(tmp_path, pool="replicas = { min = 1, max = 4 }").pools["web"]
    assert bounded.workers == Replicas(min=1, max=4)


def test_up_runs_as_many_workers_as_the_lower_bound():
    pool = Pool(queues=("a",), replicas=Replicas(min=2, max=5))
    names = [process.name for process in topology(Plan(queues={"a": Queue()}, pools={"web": pool}))]
    assert names == ["web-1", "web-2", "recorder"]


def test_bounds_with_nothing_between_them_are_refused(tmp_path):
    assert codes(tmp_path, pool="replicas = { min = 3, max = 2 }") == ["PLAN-110"]


def test_bounds_built_in_python_are_judged_alike():
    plan = Plan(queues={"a": Queue()}, pools={"web": Pool(queues=("a",), replicas=Replicas(min=3, max=2))})
    assert [problem.code for problem in check(plan)] == ["PLAN-110"]


def test_resources_are_cpus_and_sizes(tmp_path):
    pool = read(tmp_path, pool='resources = { cpu = "500m", memory = "2GiB" }').pools["web"]
    assert pool.resources == Resources(cpu="500m", memory=2 * 2**30)


@pytest.mark.parametrize("text", ["0", "two", "1.2345", "-1", "1cpu", ""])
def test_what_is_no_number_of_cpus_is_refused(tmp_path, text):
    assert codes(tmp_path, pool=f'resources = {{ cpu = "{text}" }}') == ["PLAN-111"]


def test_more_cannot_be_reserved_than_may_be_used(tmp_path):
    more = 'resources = { cpu = "1", cpu_reserved = "1500m", memory = "1GiB", memory_reserved = "2GiB" }'
    assert codes(tmp_path, pool=more) == ["PLAN-112", "PLAN-112"]


@pytest.mark.parametrize(
    "line",
    [
        'image = "Shop Image"',
        'namespace = "Shop_1"',
        'user = "0root; rm"',
        'folder = "srv/shop"',
        'folder = "/srv/a b"',
    ],
)
def test_names_that_a_target_would_refuse_are_refused_here(tmp_path, line):
    assert codes(tmp_path, deploy=line) == ["PLAN-113"]


def test_a_plan_says_which_variables_it_reads(tmp_path):
    assert read(tmp_path, HOST="0.0.0.0", FLOWER_AUTH="a:b").variables == (
        Variable(
            name="BROKER_URL",
            default="sqlite:///.celeriac/broker.db",
            at=("[celeriac].broker",),
            secret=True,
        ),
        Variable(name="HOST", default="127.0.0.1", at=("[flower].address",), whole=False),
        Variable(name="PORT", default="5555", at=("[flower].address",), whole=False),
        Variable(name="FLOWER_AUTH", default="", at=("[flower].auth",), secret=True),
    )


def test_a_variable_with_two_defaults_has_none_of_its_own(tmp_path):
    plan = read(tmp_path, deploy='image = "${HOST:-other}"')
    assert [it.default for it in plan.variables if it.name == "HOST"] == [None]


@pytest.mark.parametrize("folder", ["/var", "../x", "a/../b", "a b", ""])
def test_only_folders_inside_the_project_can_be_writable(tmp_path, folder):
    assert codes(tmp_path, deploy=f'writable = ["{folder}"]') == ["PLAN-116"]


@pytest.mark.parametrize("address", ["prometheus:9090", "http://me:secret@p:9090", "ftp://p", "http://"])
def test_where_prometheus_answers_is_a_url_without_a_password(tmp_path, address):
    assert codes(tmp_path, deploy=f'scaler = "prometheus"\nprometheus = "{address}"') == ["PLAN-117"]


def test_prometheus_may_be_named_for_grafana_alone(tmp_path):
    assert read(tmp_path, deploy='prometheus = "http://p:9090"').deploy.prometheus == "http://p:9090"
