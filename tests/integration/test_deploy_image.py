"""The Dockerfile, held against hadolint, for each way a project says what it needs; and what no image may hold."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from celeriac.deploy.dockerfile import render
from celeriac.deploy.targets import read_plan_as_written
from servers.programs import needed

PLAN = """\
[celeriac]
name = "shop"
broker = "redis://:${REDIS_PASSWORD:-s3cret}@redis/0"
[queues.a]
[pools.p]
queues = ["a"]
[deploy]
writable = ["media"]
"""
PACKAGE = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["celeriac[redis]", "httpx>=0.28,<1"]\n'
PROJECTS = {
    "bare": {},
    "requirements": {"requirements.txt": "celeriac[redis]\n"},
    "dependencies": {"pyproject.toml": PACKAGE},
    "package": {"pyproject.toml": PACKAGE + '[build-system]\nrequires = ["hatchling"]\n'},
}


@pytest.fixture(params=PROJECTS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project with its image rendered."""
    files = {"celeriac.toml": PLAN, **PROJECTS[request.param]}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for name, text in render(read_plan_as_written(tmp_path / "celeriac.toml")).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_hadolint_finds_nothing(shop: Path) -> None:
    linted = subprocess.run(
        [needed("hadolint"), "--no-color", "--failure-threshold", "style", str(shop / "Dockerfile")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_signals_reach_the_process_and_it_is_nobody_special(shop: Path) -> None:
    *_, last = (shop / "Dockerfile").read_text().split("FROM python:3.11-slim")
    [user] = re.findall(r"^USER (.*)$", last, re.MULTILINE)
    assert int(user) > 0  # a number, so that a cluster can see that it is not root
    # No shell before it, which would keep the signal to itself.
    assert re.search(r'^CMD \["celeriac", "up"\]$', last, re.MULTILINE)
    assert "ENTRYPOINT" not in last
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)


def test_no_secret_is_in_a_layer(shop: Path) -> None:
    text = (shop / "Dockerfile").read_text()
    assert "s3cret" not in text
    assert not re.search(r"^ARG|PASSWORD|TOKEN|SECRET", text, re.MULTILINE)
    ignored = (shop / ".dockerignore").read_text().splitlines()
    assert {"**/.env", "**/.env.*", ".git", ".celeriac", "**/*.sqlite3"} <= set(ignored)


def test_dependencies_are_a_layer_of_their_own(shop: Path) -> None:
    text = (shop / "Dockerfile").read_text()
    install = text.index("pip install")
    assert text.find("COPY . .") > install
    listed = re.search(r'python -c "(.+?)" > ', text)
    if listed:
        given = subprocess.run(
            [needed("python"), "-c", listed[1].replace("\\\\", "\\")],
            cwd=shop,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert given.stdout.splitlines() == ["celeriac[redis]", "httpx>=0.28,<1"]
