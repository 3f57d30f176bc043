"""The chart in a real Helm: linted, templated to the objects of `render kubernetes`, and refused with bad values."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from celeriac.deploy.folder import RenderedFolder
from celeriac.deploy.keda.objects import objects_by_file as keda_objects
from celeriac.deploy.kubernetes.layout import objects_by_file
from celeriac.deploy.renderers import render
from celeriac.deploy.targets import read_plan_as_written
from celeriac.deploy.yaml import plain
from celeriac.errors import DeployError
from celeriac.plan import Plan
from servers.helm import helm_program

ASSISTANT = Path(__file__).parents[1] / "unit" / "deploy" / "assistant.toml"
FOUR_KINDS = """\
[celeriac]
name = "shop"
broker = "${BROKER_URL:-amqp://rabbit.example:5672//}"
results = "redis://results.example:6379/1"
state = "postgresql://db.example/shop"
coordination = "redis://results.example:6379/2"
imports = ["shop.tasks"]  # {{ no template }}, <b> & "quotes"
[queues.a]
[pools.calls]
queues = ["a"]
profile = "io"
replicas = { min = 1, max = 9 }
[pools.crunch]
queues = ["a"]
profile = "cpu"
replicas = 2
resources = { cpu = "4", memory = "1GiB" }
[pools.train]
queues = ["a"]
profile = "ram"
time_limit = "10m"
[pools.other]
queues = ["a"]
[metrics]
auth = "${METRICS_AUTH:-}"
[environments.production.pools.crunch]
replicas = { min = 2, max = 20 }
[environments.production.pools.calls.resources]
cpu = "500m"
memory = "512MiB"
[environments.production.pools.extra_one]
queues = ["a"]
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SENTRY_DSN", "https://key@sentry.example/1")
    shutil.copy(ASSISTANT, tmp_path / "celeriac.toml")
    return read_plan_as_written(tmp_path / "celeriac.toml")


@pytest.fixture
def four_kinds(tmp_path: Path) -> Plan:
    (tmp_path / "celeriac.toml").write_text(FOUR_KINDS)
    return read_plan_as_written(tmp_path / "celeriac.toml")


def chart_of(plan: Plan) -> Path:
    folder = plan.folder / "chart"
    RenderedFolder(folder, "helm").write(render(plan, "helm"))
    return folder


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [helm_program(), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )


def templated(chart: Path, plan: Plan, *options: str | Path) -> dict[tuple[str, str], Any]:
    """What an installation would apply, without the pod of `helm test`."""
    done = helm("template", "it", chart, "--namespace", plan.deploy.namespace or plan.name, *options)
    assert (done.returncode, done.stderr) == (0, "")
    reader = YAML(typ="safe", pure=True)
    reader.version = "1.1"  # as Kubernetes reads
    objects = [each for each in reader.load_all(done.stdout) if each is not None]
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(found) == len(objects)
    return {key: each for key, each in found.items() if key[0] != "Pod"}


def rendered(plan: Plan) -> dict[tuple[str, str], Any]:
    """What `celeriac render kubernetes` and `keda` give for the same plan."""
    every = [each for objects in objects_by_file(plan).values() for each in objects]
    try:
        every += [each for objects in keda_objects(plan).values() for each in objects]
    except DeployError as error:
        assert error.code == "DEPLOY-020"  # nothing is to be scaled
    return {(each["kind"], each["metadata"]["name"]): plain(each) for each in every}


def test_the_chart_is_one_that_helm_finds_nothing_wrong_with(plan: Plan) -> None:
    linted = helm("lint", "--strict", chart_of(plan))
    assert linted.returncode == 0, linted.stdout
    assert "0 chart(s) failed" in linted.stdout


def test_it_gives_the_objects_that_render_kubernetes_gives(plan: Plan) -> None:
    assert templated(chart_of(plan), plan) == rendered(plan)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_the_values_of_an_environment_give_what_the_plan_with_it_gives(plan: Plan, environment: str) -> None:
    assert plan.source is not None
    chart = chart_of(plan)
    laid = read_plan_as_written(plan.source, environment)
    assert templated(chart, plan, "--values", chart / f"values-{environment}.yaml") == rendered(laid)


def test_each_kind_of_work_has_its_template(four_kinds: Plan) -> None:
    assert four_kinds.source is not None
    chart = chart_of(four_kinds)
    assert templated(chart, four_kinds) == rendered(four_kinds)
    laid = read_plan_as_written(four_kinds.source, "production")
    assert templated(chart, four_kinds, "--values", chart / "values-production.yaml") == rendered(laid)
    for kind, pool in (("io", "calls"), ("cpu", "crunch"), ("ram", "train"), ("custom", "other")):
        only = templated(chart, four_kinds, "--show-only", f"templates/workload-{kind}.yaml")
        assert ("Deployment", f"shop-{pool}") in only
        assert len([key for key in only if key[0] == "Deployment"]) == 1


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_object_is_what_the_api_takes(plan: Plan, version: str) -> None:
    checked = 0
    for each in templated(chart_of(plan), plan).values():
        if each["apiVersion"] != "keda.sh/v1alpha1":
            kubernetes_validate.validate(each, version, strict=True)
            checked += 1
    assert checked == 13


def test_pods_of_a_kind_of_work_can_be_told_where_to_run(four_kinds: Plan) -> None:
    values = four_kinds.folder / "mine.yaml"
    values.write_text(
        "kinds:\n  cpu:\n    nodeSelector: {disk: fast}\n    priorityClassName: high\n"
        "    tolerations: [{key: cpu, operator: Exists}]\n  custom:\n    resources: {requests: {cpu: 100m}}\n"
    )
    objects = templated(chart_of(four_kinds), four_kinds, "--values", values)
    spec = objects["Deployment", "shop-crunch"]["spec"]["template"]["spec"]
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"disk": "fast"}, "high")
    assert spec["tolerations"] == [{"key": "cpu", "operator": "Exists"}]
    other = objects["Deployment", "shop-other"]["spec"]["template"]["spec"]
    assert "nodeSelector" not in other
    assert other["containers"][0]["resources"] == {"requests": {"cpu": "100m"}}


def test_another_image_and_namespace_reach_every_place(plan: Plan) -> None:
    done = helm("template", "it", chart_of(plan), "--namespace", "elsewhere", "--set", "image=my/own:2")
    assert "image: registry.example" not in done.stdout
    assert done.stdout.count('image: "my/own:2"') == 9
    assert "namespace: assistant" not in done.stdout
    assert "http://assistant-metrics.elsewhere.svc:9540/scale/low" in done.stdout


def test_helm_test_sees_broker_and_records_as_the_processes_do(plan: Plan) -> None:
    done = helm("template", "it", chart_of(plan), "--show-only", "templates/tests/queues.yaml")
    pod = YAML(typ="safe", pure=True).load(done.stdout)
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["command"] == ["celeriac", "queues"]
    assert pod["spec"]["restartPolicy"] == "Never"
    kubernetes_validate.validate(pod, "1.37", strict=True)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("pools.hihg.replicas=1", "Additional property hihg is not allowed"),
        ("pools.high.replicas=-1", "pools.high.replicas: Must be greater than or equal to 0"),
        ("pools.low.replicas.max=0", "pools.low.replicas.max: Must be greater than or equal to 1"),
        ("pools.high.replicas=two", "pools.high.replicas"),
        ("pools.high.profile=gpu", "pools.high.profile must be one of the following"),
        ("pools.low.terminationGracePeriodSeconds=30", "Must be greater than or equal to 7205"),
        ("pools.high.resources.limits.memory=2GiB", "Does not match pattern"),
        ("image=", "image: Does not match pattern"),
        ("environment=prod", "environment must be one of the following"),
        ("kinds.cpu.nodeSelector=fast", "kinds.cpu.nodeSelector: Invalid type"),
    ],
)
def test_values_that_would_not_work_are_refused_by_name(plan: Plan, setting: str, said: str) -> None:
    refused = helm("template", "it", chart_of(plan), "--set", setting)
    assert refused.returncode != 0
    assert said in refused.stderr


def test_an_environment_that_changes_more_than_values_gets_a_chart_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "celeriac.toml"
    file.write_text(FOUR_KINDS + "[environments.production.metrics]\naddress = '127.0.0.1:9999'\n")
    with pytest.raises(DeployError, match="DEPLOY-026") as refused:
        render(read_plan_as_written(file), "helm")
    assert "celeriac --env production render helm" in str(refused.value)
    plan = read_plan_as_written(file, "production")
    assert templated(chart_of(plan), plan) == rendered(plan)


def test_a_number_of_workers_can_be_given_for_a_pool_with_bounds(plan: Plan) -> None:
    values = plan.folder / "mine.yaml"
    values.write_text("pools:\n  low:\n    replicas: {min: 2, max: 2}\n")
    objects = templated(chart_of(plan), plan, "--values", values)
    assert objects["Deployment", "assistant-low"]["spec"]["replicas"] == 2
    assert not [key for key in objects if key[0] == "ScaledObject"]


def test_the_notes_say_who_counts_the_workers(plan: Plan) -> None:
    # Only an installation shows the notes; as a template they can be seen without a cluster.
    chart = chart_of(plan)
    notes = chart / "templates" / "NOTES.txt"
    (chart / "templates" / "notes.yaml").write_text("notes: |\n  " + notes.read_text().replace("\n", "\n  "))
    done = helm("template", "it", chart, "--show-only", "templates/notes.yaml")
    assert "high (custom): 2 workers" in done.stdout
    assert "low (custom): 0 to 3 workers, as KEDA says" in done.stdout
    without = helm(
        "template", "it", chart, "--show-only", "templates/notes.yaml", "--set", "keda.enabled=false"
    )
    assert "low (custom): nobody says how many workers" in without.stdout
