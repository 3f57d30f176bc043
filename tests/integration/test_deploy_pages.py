"""The pages on deploying: their commands, read out of them and run in order as far as that goes without a host to give.

What renders is run. What Compose and kubectl can say without a server is asked of them; of the rest it is seen that the
options exist, and that the services, units and objects which are named are among what was rendered.
"""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from celeriac.cli.main import cli
from servers.helm import helm_program
from servers.programs import needed
from servers.project import Project

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
#: what a host has and a test has not: seen to be shell, and no more
OF_THE_HOST = ("useradd", "git", "chown", "python3", "/srv/shop/.venv/bin/pip", "docker")


class Walk:
    """One page, walked through in a folder of its own."""

    def __init__(self, name: str, project: Project) -> None:
        self.text = (PAGES / name).read_text()
        self.project = project
        self.walked: list[str] = []
        [self.plan] = re.findall(r"```toml\n(.*?)```", self.text, re.DOTALL)
        project.write("celeriac.toml", self.plan)

    def sections(self) -> dict[str, list[str]]:
        """The commands of each section, in order."""
        found: dict[str, list[str]] = {}
        for part in self.text.split("\n## ")[1:]:
            title, _, body = part.partition("\n")
            body = re.sub(r"```.*?```", "", body, flags=re.DOTALL)
            found[title] = [
                line.partition(" # ")[0].strip() for line in re.findall(r"^    (\S.*)$", body, re.MULTILINE)
            ]
        return found

    def upgrade(self) -> None:
        """Change the plan as a new version would."""
        new = (
            self.plan.replace(":1.4", ":1.5") if ":1.4" in self.plan else self.plan.replace('"60s"', '"90s"')
        )
        assert new != self.plan
        self.project.write("celeriac.toml", new)

    def back(self) -> None:
        self.project.write("celeriac.toml", self.plan)

    def here(self, line: str) -> str:
        """The line with what is the host's own in the walk's folder."""
        return line.replace("/etc/", f"{self.project.folder}/etc/")

    def run(self, line: str, *, code: int = 0) -> str:
        """Run a line in a shell and give what it printed."""
        done = self.project.run("sh", "-c", line, within=60)
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        self.walked.append(line)
        return done.stdout

    def take(self, line: str) -> None:
        """Take one step."""
        shell = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, check=False)
        assert shell.returncode == 0, f"{line}: {shell.stderr}"
        program = shlex.split(line)[0]
        if program == "celeriac":
            self.run(self.here(line), code=1 if line.endswith("--diff") else 0)
        elif program == "install":
            self.run(self.here(line))
        elif line.startswith("docker compose "):
            self.compose(line)
        elif program == "kubectl":
            self.kubectl(line)
        elif program in ("systemctl", "for"):
            self.units(line)
        else:
            assert program in OF_THE_HOST, line

    def compose(self, line: str) -> None:
        _, _, command, *words = shlex.split(line)
        program, file = needed("docker-compose"), self.project.folder / "compose.yaml"
        if command == "config":
            self.run(f"{program} --file {file} config {' '.join(words)}")
            return
        told = subprocess.run(
            [program, command, "--help"], capture_output=True, text=True, check=False
        ).stdout
        services = YAML(typ="safe", pure=True).load(file.read_text())["services"]
        for at, word in enumerate(words):
            if word == "celeriac":
                known_command(words[at:])
                break
            if word.startswith("--"):
                assert word in told, line
            else:
                assert word.partition("=")[0] in services, line

    def kubectl(self, line: str) -> None:
        program = needed("kubectl")
        words = shlex.split(line)[1:]
        words = words[2:] if words[0] == "-n" else words
        if words[0] == "create":
            self.run(f"{program} {' '.join(words)} --dry-run=client -o yaml")
        elif "-k" in words:
            built = self.run(f"{program} kustomize {words[words.index('-k') + 1]}")
            assert "kind: Deployment" in built
        else:
            command = [word for word in words if not word.startswith("-") and "/" not in word]
            told = subprocess.run(
                [program, *command[:2], "--help"], capture_output=True, text=True, check=False
            )
            assert told.returncode == 0, line
            for word in words:
                if word == "--":
                    known_command(words[words.index("--") + 1 :])
                    break
                if word.startswith("--"):
                    assert word.partition("=")[0] in told.stdout, line
                elif word.startswith("deployment/"):
                    name = word.removeprefix("deployment/")
                    assert (self.project.folder / "deploy" / "base" / f"{name}.yaml").is_file(), line

    def units(self, line: str) -> None:
        folder = self.project.folder / "etc" / "systemd" / "system"
        rendered = {file.name for file in folder.iterdir()}
        for name in re.findall(r"\bshop[-.][\w@.-]+", line):
            stem = re.sub(r"@\d+$", "@", name)
            assert {stem, f"{stem}.service"} & rendered, line


def known_command(words: list[str]) -> None:
    """See that a command of ours exists."""
    _, *names = words
    command: click.Command | None = cli
    for name in names:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
        assert command is not None, words


def fill_in(environment: Path) -> None:
    """Fill in what the page says is to be filled in."""
    text = re.sub(r"^(\w+_PASSWORD)=$", r"\1=abc123", environment.read_text(), flags=re.MULTILINE)
    environment.write_text(re.sub(r"^#(\w+=\w+://)", r"\1", text, flags=re.MULTILINE))


@pytest.fixture(params=["deploy-compose.md", "deploy-systemd.md", "deploy-kubernetes.md"])
def walk(request: pytest.FixtureRequest, project: Callable[..., Project]) -> Iterator[Walk]:
    walk = Walk(request.param, project())
    (walk.project.folder / "requirements.txt").write_text("celeriac[redis,postgres]\n")
    yield walk


def test_a_page_leads_from_nothing_to_a_new_version_and_back(walk: Walk) -> None:
    sections = walk.sections()
    assert list(sections)[:3] == ["From nothing", "A new version", "Back again"]
    folder = walk.project.folder
    for line in sections["From nothing"]:
        walk.take(line)
        if "render env" in line:
            fill_in(folder / line.rpartition(" ")[2])
    first = {
        file: file.read_text() for file in sorted(folder.rglob("*")) if file.suffix in (".yaml", ".service")
    }
    assert first
    walk.upgrade()
    for line in sections["A new version"]:
        walk.take(line)
    assert any(file.read_text() != text for file, text in first.items())
    walk.back()
    for line in sections["Back again"]:
        walk.take(line)
    # Nothing of the new version is left.
    assert {file: file.read_text() for file in first} == first
    for line in sections.get("Stop", []):
        walk.take(line)
    assert sum("celeriac render" in line for line in walk.walked) >= 4


def test_the_secret_of_the_page_holds_every_variable_that_pods_need(project: Callable[..., Project]) -> None:
    walk = Walk("deploy-kubernetes.md", project())
    folder = walk.project.folder
    walk.run("celeriac render env > .env && celeriac render kubernetes --output deploy")
    fill_in(folder / ".env")
    command = next(line for line in walk.sections()["From nothing"] if "create secret" in line)
    made = YAML(typ="safe", pure=True).load(
        walk.run(command.replace("kubectl", needed("kubectl")) + " --dry-run=client -o yaml")
    )
    data = {key: base64.b64decode(value).decode() for key, value in made["data"].items()}
    [deployment] = [
        each
        for each in YAML(typ="safe", pure=True).load_all((folder / "deploy/base/shop-web.yaml").read_text())
        if each["kind"] == "Deployment"
    ]
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for variable in container["env"]:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["name"] == made["metadata"]["name"]
            assert reference["optional"] or data[reference["key"]], reference
    assert data["CELERY_BROKER_URL"].startswith("redis://")


def test_helm_has_every_option_that_its_page_names() -> None:
    lines = re.findall(r"^    (?:\$ )?(helm .*)$", (PAGES / "deploy-helm.md").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in lines} >= {"install", "test", "upgrade", "rollback", "template"}
    for line in lines:
        _, command, *words = shlex.split(line)
        told = subprocess.run(
            [helm_program(), command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in told, line
