"""What is rendered for Kubernetes, held against the API's schemas, Kustomize and the restricted security standard."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from celeriac.deploy.folder import RenderedFolder
from celeriac.deploy.kubernetes.layout import objects_by_file
from celeriac.deploy.renderers import render
from celeriac.deploy.targets import read_plan_as_written
from celeriac.deploy.yaml import plain
from celeriac.errors import DeployError
from celeriac.plan import Plan
from servers.programs import needed

PLAN = Path(__file__).resolve().parents[1] / "unit" / "deploy" / "assistant.toml"
VERSIONS = [f"1.{minor}" for minor in range(30, 38)]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("SENTRY_DSN", "https://key@sentry.example/1")
    shutil.copy(PLAN, tmp_path / "celeriac.toml")
    return read_plan_as_written(tmp_path / "celeriac.toml")


@pytest.fixture
def project(plan: Plan, tmp_path: Path) -> Path:
    """The rendered Kustomize project on disk."""
    RenderedFolder(tmp_path / "k8s", "kubernetes").write(render(plan, "kubernetes"))
    return tmp_path / "k8s"


def documents(text: str) -> list[Any]:
    reader = YAML(typ="safe", pure=True)
    reader.version = "1.1"  # as Kubernetes reads
    return [each for each in reader.load_all(text) if each is not None]


def kustomize(folder: Path) -> list[Any]:
    """Build an overlay with the real Kustomize."""
    command = [needed("kubectl"), "kustomize", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return documents(built.stdout)


def by_key(objects: list[Any]) -> dict[tuple[str, str], Any]:
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def pods(objects: list[Any]) -> Iterator[tuple[str, Any]]:
    for each in objects:
        if each["kind"] == "Deployment":
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_the_api_takes(project: Path, version: str) -> None:
    checked = 0
    for each in kustomize(project / "base"):
        kubernetes_validate.validate(each, version, strict=True)
        checked += 1
    assert checked == 13


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_an_overlay_gives_what_the_plan_with_its_environment_gives(
    plan: Plan, project: Path, environment: str
) -> None:
    assert plan.source is not None
    laid = read_plan_as_written(plan.source, environment)
    expected = [plain(each) for objects in objects_by_file(laid).values() for each in objects]
    assert by_key(kustomize(project / "overlays" / environment)) == by_key(expected)


def test_an_overlay_says_only_what_it_changes(project: Path) -> None:
    assert "replicas" in (project / "overlays/production/celery-worker-high-deployment.yaml").read_text()
    assert (
        "/spec/replicas" not in (project / "overlays/staging/celery-worker-high-deployment.yaml").read_text()
    )


def test_pods_keep_the_restricted_standard(project: Path) -> None:
    """Source: kubernetes.io, "Pod Security Standards", restricted."""
    for name, pod in pods(kustomize(project / "base")):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True
        assert all(set(volume) - {"name"} <= {"configMap", "emptyDir"} for volume in pod["volumes"])


def test_a_pod_may_take_twice_its_longest_task_to_stop(project: Path) -> None:
    grace = {name: pod["terminationGracePeriodSeconds"] for name, pod in pods(kustomize(project / "base"))}
    assert grace["celery-worker-high"] >= 2 * 30
    assert grace["assistant-low"] >= 2 * 3600


def test_liveness_never_asks_the_broker(project: Path) -> None:
    for name, pod in pods(kustomize(project / "base")):
        if name in ("celery-worker-high", "assistant-low"):
            [container] = pod["containers"]
            assert container["livenessProbe"]["exec"]["command"] == ["celeriac", "probe"]
            assert container["readinessProbe"]["exec"]["command"] == ["celeriac", "probe", "--ready"]
            assert container["lifecycle"]["preStop"]["exec"]["command"] == ["celeriac", "drain"]


def test_a_pool_between_two_bounds_leaves_its_number_to_what_scales_it(project: Path) -> None:
    base = by_key(kustomize(project / "base"))
    assert "replicas" not in base["Deployment", "assistant-low"]["spec"]
    assert base["Deployment", "celery-worker-high"]["spec"]["replicas"] == 2


def test_a_changed_plan_rolls_the_pods(plan: Plan) -> None:
    def checksum(given: Plan) -> str:
        text = render(given, "kubernetes")["base/celery-worker-high.yaml"]
        return next(line for line in text.splitlines() if "checksum/plan" in line)

    assert plan.source is not None
    before = checksum(plan)
    plan.source.write_text(plan.source.read_text().replace("concurrency = 4", "concurrency = 5"))
    assert checksum(read_plan_as_written(plan.source)) != before


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("broker", 'broker = "sqlite:///.celeriac/broker.db"'),
        ("state", 'broker = "redis://r:6379/0"'),
        (
            "results",
            'broker = "redis://r:6379/0"\nstate = "postgresql://db/x"\nresults = "file:///tmp/results"',
        ),
    ],
)
def test_what_pods_cannot_share_is_refused(tmp_path: Path, key: str, written: str) -> None:
    (tmp_path / "celeriac.toml").write_text(f'[celeriac]\n{written}\n[queues.a]\n[pools.p]\nqueues = ["a"]\n')
    with pytest.raises(DeployError, match=rf"\[celeriac\]\.{key} ") as refused:
        render(read_plan_as_written(tmp_path / "celeriac.toml"), "kubernetes")
    assert refused.value.code == "DEPLOY-010"
