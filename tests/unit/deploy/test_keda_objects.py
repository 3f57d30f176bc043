"""KEDA's objects: one number for each pool, none of them asked for by a secret's value, and nothing stopped blindly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from celeriac.deploy.keda import render
from celeriac.deploy.keda.objects import objects_by_file
from celeriac.deploy.targets import read_plan_as_written
from celeriac.deploy.yaml import plain
from celeriac.errors import DeployError

PLAN = """\
[celeriac]
name = "shop"
broker = "{broker}"
state = "postgresql://db.example/shop"
results = "redis://results.example:6379/1"
coordination = "redis://results.example:6379/2"
[queues."mail.out"]
[queues.chat]
{queue}
[pools.web]
queues = ["mail.out", "chat"]
replicas = {{ min = 0, max = 6 }}
{pool}
[metrics]
{metrics}
[deploy]
{deploy}
"""


@pytest.fixture
def scaled(tmp_path: Path):
    """Give the objects of a plan by kind, from parts of its file."""

    def made(**parts: str) -> dict[str, Any]:
        given = {
            "broker": "redis://redis.example:6379/3",
            "queue": "",
            "pool": "concurrency = 4",
            "metrics": "",
            "deploy": "",
            **parts,
        }
        (tmp_path / "celeriac.toml").write_text(PLAN.format(**given))
        plan = read_plan_as_written(tmp_path / "celeriac.toml")
        return {each["kind"]: plain(each) for file in objects_by_file(plan).values() for each in file}

    return made


def code_of(scaled, **parts: str) -> str:
    with pytest.raises(DeployError) as refused:
        scaled(**parts)
    return refused.value.code


def test_the_plans_own_number_is_asked_for_by_default(scaled):
    objects = scaled()
    assert set(objects) == {"ScaledObject"}
    spec = objects["ScaledObject"]["spec"]
    assert spec["scaleTargetRef"]["name"] == objects["ScaledObject"]["metadata"]["name"] == "shop-web"
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 6)
    [trigger] = spec["triggers"]
    assert trigger["metadata"] == {
        "url": "http://shop-metrics.shop.svc:9540/scale/web",
        "valueLocation": "workers",
        "targetValue": "1",
        "activationTargetValue": "0",
    }


def test_a_password_is_a_key_of_the_secret(scaled):
    objects = scaled(metrics='auth = "${METRICS_AUTH:-}"')
    [trigger] = objects["ScaledObject"]["spec"]["triggers"]
    assert trigger["metadata"]["authMode"] == "bearer"
    name = objects["TriggerAuthentication"]["metadata"]["name"]
    assert trigger["authenticationRef"] == {"name": name}
    assert objects["TriggerAuthentication"]["spec"] == {
        "secretTargetRef": [{"parameter": "token", "name": "shop-environment", "key": "METRICS_AUTH"}]
    }


def test_no_number_stops_nothing(scaled):
    spec = scaled()["ScaledObject"]["spec"]
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"}
    prometheus = scaled(deploy='scaler = "prometheus"\nprometheus = "http://p.example:9090"')
    [trigger] = prometheus["ScaledObject"]["spec"]["triggers"]
    assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_pods_are_not_taken_away_before_the_longest_task_may_have_ended(scaled):
    spec = scaled(pool='concurrency = 4\ntime_limit = "20m"')["ScaledObject"]["spec"]
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert spec["cooldownPeriod"] == down["stabilizationWindowSeconds"] == 1200


def test_an_hpa_is_never_told_to_look_back_longer_than_it_can(scaled):
    spec = scaled(pool='concurrency = 4\ntime_limit = "3h"')["ScaledObject"]["spec"]
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert (spec["cooldownPeriod"], down["stabilizationWindowSeconds"]) == (10_800, 3600)


@pytest.mark.parametrize(("max_wait", "every"), [("", 15), ('max_wait = "40s"', 20), ('max_wait = "1s"', 5)])
def test_it_looks_as_often_as_the_shortest_objective_needs(scaled, max_wait, every):
    assert scaled(queue=max_wait)["ScaledObject"]["spec"]["pollingInterval"] == every


def test_every_priority_list_of_redis_is_a_trigger_and_one_formula_adds_them_up(scaled):
    objects = scaled(deploy='scaler = "redis"')
    spec = objects["ScaledObject"]["spec"]
    lists = [trigger["metadata"]["listName"] for trigger in spec["triggers"]]
    assert lists[:3] == ["mail.out", "mail.out\x06\x161", "mail.out\x06\x162"]
    assert lists[10] == "chat"
    assert len(lists) == 20
    assert {trigger["metadata"]["address"] for trigger in spec["triggers"]} == {"redis.example:6379"}
    assert {trigger["metadata"]["databaseIndex"] for trigger in spec["triggers"]} == {"3"}
    modifiers = spec["advanced"]["scalingModifiers"]
    assert modifiers["formula"].split(" + ") == [trigger["name"] for trigger in spec["triggers"]]
    assert modifiers["target"] == "4"
    [password] = objects["TriggerAuthentication"]["spec"]["secretTargetRef"]
    assert (password["parameter"], password["key"]) == ("password", "REDIS_PASSWORD")


def test_a_redis_with_tls_is_asked_by_tls(scaled):
    triggers = scaled(broker="rediss://redis:6380/0?ssl_cert_reqs=required", deploy='scaler = "redis"')[
        "ScaledObject"
    ]["spec"]["triggers"]
    assert triggers[0]["metadata"]["enableTLS"] == "true"
    # KEDA lives in another namespace, where a bare name is nobody's.
    assert triggers[0]["metadata"]["address"] == "redis.shop.svc:6380"


def test_where_redis_is_comes_from_the_secret_if_the_plan_only_knows_a_laptop(scaled):
    objects = scaled(broker="redis://localhost:6379/0", deploy='scaler = "redis"')
    assert "address" not in objects["ScaledObject"]["spec"]["triggers"][0]["metadata"]
    keys = {
        each["parameter"]: each["key"] for each in objects["TriggerAuthentication"]["spec"]["secretTargetRef"]
    }
    assert keys["address"] == "REDIS_ADDRESS"


def test_rabbitmq_is_asked_queue_by_queue_by_the_address_in_the_secret(scaled):
    objects = scaled(broker="${BROKER_URL:-amqp://rabbit.example:5672/shop}", deploy='scaler = "rabbitmq"')
    spec = objects["ScaledObject"]["spec"]
    assert [trigger["metadata"]["queueName"] for trigger in spec["triggers"]] == ["mail.out", "chat"]
    assert spec["advanced"]["scalingModifiers"]["formula"] == "n0 + n1"
    [host] = objects["TriggerAuthentication"]["spec"]["secretTargetRef"]
    assert (host["parameter"], host["key"]) == ("host", "BROKER_URL")


def test_prometheus_is_asked_for_what_waits_and_what_runs(scaled):
    objects = scaled(deploy='scaler = "prometheus"\nprometheus = "http://p.example:9090"')
    [trigger] = objects["ScaledObject"]["spec"]["triggers"]
    assert trigger["metadata"]["threshold"] == "4"
    assert trigger["metadata"]["query"] == (
        'sum(max by (queue) (celeriac_queue_messages{namespace="shop",queue=~"mail\\\\.out|chat",state="ready"}))'
        ' + (sum(celeriac_worker_busy_slots{namespace="shop",worker=~"web-[0-9]+@.+"}) or vector(0))'
    )


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("DEPLOY-020", {}),
        ("DEPLOY-022", {"deploy": 'scaler = "prometheus"'}),
        ("DEPLOY-023", {"deploy": 'scaler = "rabbitmq"'}),
        ("DEPLOY-024", {"pool": "", "deploy": 'scaler = "redis"'}),
        ("DEPLOY-025", {"metrics": 'auth = "keda:${KEDA_PASSWORD}"'}),
    ],
)
def test_what_the_scaler_lacks_is_said_with_its_remedy(scaled, monkeypatch, code, parts):
    monkeypatch.setenv("KEDA_PASSWORD", "s3cret")
    if code == "DEPLOY-020":
        monkeypatch.setattr(__name__ + ".PLAN", PLAN.replace("{{ min = 0, max = 6 }}", "2"))
    assert code_of(scaled, **parts) == code


def test_a_plan_without_metrics_cannot_be_asked(scaled, monkeypatch):
    monkeypatch.setattr(__name__ + ".PLAN", PLAN.replace("[metrics]", ""))
    assert code_of(scaled) == "DEPLOY-021"


def test_the_head_names_the_keys_a_secret_must_have(tmp_path):
    (tmp_path / "celeriac.toml").write_text(
        PLAN.format(
            broker="redis://r.example/0",
            queue="",
            pool="",
            metrics='auth = "${METRICS_AUTH:-}"',
            deploy="",
        )
    )
    files = render(read_plan_as_written(tmp_path / "celeriac.toml"))
    assert "shop-environment KEDA needs: METRICS_AUTH" in files["kustomization.yaml"]
