"""Every template, as its user meets it: generated into an empty folder, installed, checked, tested and run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.scaffold import TEMPLATES, Answers, generate
from celeriac.scaffold.catalogue import WORKERS
from servers.project import Project
from servers.redis_server import free_port

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 300.0


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own, with nothing in it: what a project needs, its requirements must say."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Celeriac as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True)
    return next(folder.glob("celeriac-*.whl"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A folder for one, on ports of its own; nothing it starts outlives the test."""
    ports = {f"{each}_ADDRESS": f"127.0.0.1:{free_port()}" for each in ("METRICS", "FLOWER")}
    made = Project(tmp_path / "project", environ=ports)
    made.environ["PYTHONPATH"] = ""
    yield made
    made.close()


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_installs_checks_tests_and_runs(
    template: str, project: Project, python: Path, wheel: Path
) -> None:
    name = f"worker-celery-{template}" if template in WORKERS else "shop"
    generate(project.folder, Answers(name=name, template=template, celeriac=f"celeriac @ {wheel.as_uri()}"))
    install = (str(python), "-m", "pip", "install", "--quiet", "-r", "requirements-dev.txt")
    for command in (install, *(("make", f"PYTHON={python}", each) for each in ("check", "test", "demo"))):
        done = project.run(*command, within=WITHIN_S)
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
