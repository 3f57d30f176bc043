"""Generating a project: what is refused, what is written, and that the example is what its template makes."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from celeriac.deploy import compose
from celeriac.deploy.units import writable_folders
from celeriac.errors import ScaffoldError
from celeriac.plan import check, read_plan
from celeriac.scaffold import (
    BROKERS,
    TEMPLATES,
    Answers,
    check_answers,
    default_requirement,
    generate,
    read_answers,
)
from celeriac.scaffold.catalogue import WORKERS
from celeriac.scaffold.example import ANSWERS, FOLDER
from celeriac.scaffold.render import TEMPLATES_FOLDER, render

EVERY = [(template, broker) for template in TEMPLATES for broker in BROKERS]


def answers(template: str = "etl", broker: str = "sqlite", name: str | None = None, **more: str) -> Answers:
    called = name or (f"worker-celery-{template}" if template in WORKERS else "shop")
    return Answers(name=called, template=template, broker=broker, **more)


@pytest.mark.parametrize(("template", "broker"), EVERY)
def test_what_is_generated_is_python_toml_and_a_plan_that_holds_together(template, broker, tmp_path):
    files = generate(tmp_path / "project", answers(template, broker))
    for path in files:
        text = (tmp_path / "project" / path).read_text()
        assert "{%" not in text
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), path
        if path.endswith(".py"):
            ast.parse(text)
        if path.endswith(".toml"):
            tomllib.loads(text)
    assert read_plan(tmp_path / "project" / "celeriac.toml", environ={}).name == answers(template).name


def test_the_broker_chosen_is_what_is_installed_and_named_in_the_example_environment():
    redis, rabbitmq, sqlite, sqs = (
        render(answers(broker=broker)) for broker in ("redis", "rabbitmq", "sqlite", "sqs")
    )
    assert redis["requirements.txt"].startswith("celeriac[flower,postgres,redis]\n")
    assert rabbitmq["requirements.txt"].startswith("celeriac[flower,postgres]\n")
    assert "\nCELERY_BROKER_URL=redis://" in redis[".env.example"]
    assert "\nCELERY_BROKER_URL=amqp://" in rabbitmq[".env.example"]
    assert "\nCELERY_BROKER_URL" not in sqlite[".env.example"]
    assert sqs["requirements.txt"].startswith("celeriac[sqs,postgres]\n")
    assert "\nCELERY_BROKER_URL=sqs://\n" in sqs[".env.example"]
    assert "image: motoserver" in sqs[".github/workflows/ci.yml"]
    assert "image: redis" in redis[".github/workflows/ci.yml"]
    assert "services:" not in sqlite[".github/workflows/ci.yml"]


@pytest.mark.parametrize(
    ("celeriac", "line"),
    [
        ("celeriac>=0.1", "celeriac[flower,postgres]>=0.1"),
        (
            "celeriac @ git+https://example.org/c.git",
            "celeriac[flower,postgres] @ git+https://example.org/c.git",
        ),
        ("../..", "celeriac[flower,postgres]"),
    ],
)
def test_celeriac_is_required_as_asked_with_the_extras_of_the_project(celeriac, line):
    assert render(answers(celeriac=celeriac))["requirements.txt"].splitlines()[0] == line


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_project_for_sqs_says_nothing_that_sqs_could_not_keep(template, tmp_path):
    files = generate(tmp_path, answers(template, "sqs"))
    environ = {
        "CELERY_BROKER_URL": "sqs://",
        "CELERY_RESULT_BACKEND": "redis://h/1",
        "STATE_URL": "postgresql://h/d",
    }
    assert check(read_plan(tmp_path / "celeriac.toml", environ=environ)) == []
    told = {path for path in files if "flower" in (tmp_path / path).read_text().lower()}
    assert told == set()


def test_a_checkout_is_installed_by_make_alone_so_that_an_image_needs_none():
    of_a_checkout, of_a_release = render(answers(celeriac="../..")), render(answers(celeriac="celeriac>=0.1"))
    assert 'pip install --quiet "../.."' in of_a_checkout["Makefile"]
    assert "../.." not in of_a_release["Makefile"]
    assert not [line for line in of_a_checkout["requirements.txt"].splitlines() if line.startswith(".")]


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_image_has_every_folder_that_its_plan_lets_containers_write_to(template, tmp_path):
    generate(tmp_path, answers(template, "redis"))
    plan = read_plan(tmp_path / "celeriac.toml", environ={})
    made = (tmp_path / "Dockerfile").read_text()
    assert "ENTRYPOINT" not in made  # the commands that are rendered begin with celeriac
    for folder in (".celeriac", *writable_folders(plan)):
        assert folder in re.search(r"chown 10001 (.*)", made)[1].split()


def test_the_etl_worker_is_rendered_for_compose_under_the_names_people_know(tmp_path):
    generate(tmp_path, answers("etl", "redis"))
    text = compose.render(read_plan(tmp_path / "celeriac.toml", env="production", environ={}))
    services = YAML(typ="safe").load(text["compose.yaml"])["services"]
    assert {"worker", "worker-etl", "worker-api", "worker-ml", "beat", "flower", "redis"} <= services.keys()
    assert services["redis"]["image"] == "redis:7-alpine"
    assert services["beat"]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_the_example_is_exactly_what_its_template_generates():
    """`python -m celeriac.scaffold.example` writes it anew, and `make render` there what it carries in deploy/."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = [path for path in tracked if not path.startswith("deploy/")]
    assert {path: (FOLDER / path).read_text() for path in files} == render(ANSWERS)


def test_the_etl_template_has_the_layout_that_people_know():
    expected = {
        *(f"src/{each}.py" for each in ("celery_app", "config")),
        *(f"src/tasks/{each}_tasks.py" for each in ("etl", "ml", "report")),
        *(f"src/workflows/{each}_pipeline.py" for each in ("data", "ml")),
        *(f"src/utils/{each}.py" for each in ("logger", "metrics")),
        *("tests/test_tasks.py", "tests/test_workflows.py", ".env.example", "Dockerfile", "README.md"),
        *(".github/instructions/service-worker-celery.instructions.md", "AGENTS.md"),
        ".github/prompts/scaffold-worker-celery-service.md",
    }
    assert expected <= render(answers()).keys()


@pytest.mark.parametrize(
    ("wrong", "code", "fix"),
    [
        (answers("elt"), "NEW-001", 'write "etl"'),
        (answers(broker="rabitmq"), "NEW-002", 'write "rabbitmq"'),
        (answers(name="Worker"), "NEW-003", None),
        (answers(name="worker-celery-../x"), "NEW-003", None),
        (answers(name="worker-celery-"), "NEW-003", None),
        (answers(name="worker-celery-" + "x" * 60), "NEW-003", None),
        (answers(name="sales"), "NEW-004", 'write "worker-celery-sales"'),
        (answers(name="celery-worker-sales"), "NEW-004", 'write "worker-celery-sales"'),
    ],
)
def test_a_wrong_answer_is_refused_with_its_code_and_the_remedy(wrong, code, fix):
    with pytest.raises(ScaffoldError) as refused:
        check_answers(wrong)
    assert refused.value.code == code
    assert fix is None or refused.value.fix == fix


def test_a_folder_that_holds_something_is_left_as_it_was(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ScaffoldError) as refused:
            generate(folder, answers())
        assert refused.value.code == "NEW-006"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ScaffoldError) as refused:
        generate(tmp_path / "file" / "project", answers())
    assert refused.value.code == "NEW-007"


def test_the_answers_can_be_read_back(tmp_path):
    said = answers("etl", "redis", celeriac=default_requirement())
    files = generate(tmp_path, said)
    read, digests = read_answers(tmp_path)
    assert read == said
    assert sorted([*digests, ".copier-answers.yml"]) == files


def test_every_file_of_a_template_is_a_template():
    for path in TEMPLATES_FOLDER.rglob("*"):
        inside = path.relative_to(TEMPLATES_FOLDER)
        if path.is_file() and inside.parts[0] in TEMPLATES:
            # A .gitignore or a conftest.py under its own name would be at work here.
            assert path.suffix == ".jinja", inside


def new(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "celeriac", "new", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_makes_a_project_and_says_what_to_do_next(tmp_path):
    ended = new("worker-celery-sales", "--template", "etl", "--broker", "redis", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "cd worker-celery-sales\n  make demo" in ended.stdout
    assert read_answers(tmp_path / "worker-celery-sales")[0].broker == "redis"


def test_without_a_template_the_command_lists_them(tmp_path):
    ended = new("shop", folder=tmp_path)
    assert ended.returncode == 2
    for template in TEMPLATES:
        assert template in ended.stderr


def test_a_wrong_name_ends_the_command_with_its_code(tmp_path):
    ended = new("sales", "--template", "etl", folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("NEW-004")
    assert list(tmp_path.iterdir()) == []
