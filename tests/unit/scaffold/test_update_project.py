"""Updating a project: what the team has changed stays, with git's help and without; and copier can do it too."""

import shutil
import subprocess
from pathlib import Path

import pytest

from celeriac.errors import ScaffoldError
from celeriac.scaffold import ANSWERS_FILE, Answers, generate, update
from celeriac.scaffold import render as rendering

ANSWERS = Answers(name="worker-celery-etl", template="etl")
README = "etl/README.md.jinja"


@pytest.fixture
def templates(tmp_path, monkeypatch) -> Path:
    """Templates of our own, which a later version may change."""
    folder = tmp_path / "templates"
    shutil.copytree(rendering.TEMPLATES_FOLDER, folder)
    monkeypatch.setattr(rendering, "TEMPLATES_FOLDER", folder)
    rendering._environment.cache_clear()
    yield folder
    rendering._environment.cache_clear()


@pytest.fixture
def project(templates, tmp_path) -> Path:
    generate(tmp_path / "worker-celery-etl", ANSWERS)
    return tmp_path / "worker-celery-etl"


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


def committed(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "As generated")


def edit(path: Path, before: str, after: str) -> None:
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def outcomes(folder: Path) -> dict[str, str]:
    return {change.path: change.outcome for change in update(folder)}


def test_without_a_new_version_nothing_changes(project):
    edit(project / "README.md", "make demo", "make everything")
    assert outcomes(project) == {}
    assert "make everything" in (project / "README.md").read_text()


def test_a_file_nobody_touched_is_replaced_and_a_new_one_added(project, templates):
    edit(templates / README, "## Run it", "## Run it now")
    (templates / "etl" / "NOTES.md.jinja").write_text("of {{ name }}\n")
    assert outcomes(project) == {"README.md": "replaced", "NOTES.md": "added"}
    assert "## Run it now" in (project / "README.md").read_text()
    assert (project / "NOTES.md").read_text() == "of worker-celery-etl\n"
    assert outcomes(project) == {}


def test_changes_on_both_sides_are_merged_where_git_knows_what_was_generated(project, templates):
    committed(project)
    edit(project / "README.md", "## Make it yours", "## It is ours")
    edit(templates / README, "## Run it", "## Run it now")
    assert outcomes(project) == {"README.md": "merged"}
    readme = (project / "README.md").read_text()
    assert "## It is ours" in readme
    assert "## Run it now" in readme


@pytest.mark.parametrize("with_git", [True, False])
def test_a_change_that_cannot_be_merged_is_put_beside(project, templates, with_git):
    if with_git:
        committed(project)
    edit(project / "README.md", "## Run it", "## How we run it")
    edit(templates / README, "## Run it", "## Run it now")
    assert outcomes(project) == {"README.md": "beside"}
    assert "## How we run it" in (project / "README.md").read_text()
    assert "## Run it now" in (project / "README.md.new").read_text()


def test_a_deleted_file_stays_deleted_and_one_no_longer_generated_stays(project, templates):
    (project / "Dockerfile").unlink()
    (templates / "etl" / "AGENTS.md.jinja").unlink()
    assert outcomes(project) == {"AGENTS.md": "left"}
    assert not (project / "Dockerfile").exists()
    assert (project / "AGENTS.md").exists()


@pytest.mark.parametrize("content", [None, "", "- a list", "template: etl\n", "a: b: c", "name: [\n"])
def test_a_folder_that_was_not_generated_is_not_updated(tmp_path, content):
    if content is not None:
        (tmp_path / ANSWERS_FILE).write_text(content)
    with pytest.raises(ScaffoldError) as refused:
        update(tmp_path)
    assert refused.value.code == "NEW-010"


def test_copier_renders_the_same_and_updates_what_we_generated(project, templates):
    copier = pytest.importorskip("copier")
    committed(templates)
    git(templates, "tag", "v0.1.0")
    said = {"name": ANSWERS.name, "template": "etl", "broker": "sqlite", "celeriac": "celeriac"}
    theirs = project.with_name("theirs")
    copier.run_copy(str(templates), theirs, data=said, defaults=True, quiet=True, vcs_ref="v0.1.0")
    assert files(theirs) == files(project)

    edit(project / ANSWERS_FILE, '_src_path: "celeriac"', f'_src_path: "{templates}"')
    edit(project / "README.md", "## Make it yours", "## It is ours")
    committed(project)
    edit(templates / README, "## Run it", "## Run it now")
    git(templates, "commit", "-qam", "Later")
    git(templates, "tag", "v0.2.0")
    copier.run_update(project, defaults=True, overwrite=True, quiet=True)
    readme = (project / "README.md").read_text()
    assert "## It is ours" in readme
    assert "## Run it now" in readme
    # What copier has written of its answers is enough for ours; it knows no digests, so every difference is put beside.
    assert outcomes(project).get("README.md") in (None, "beside")


def files(folder: Path) -> dict[str, str]:
    names = (path for path in folder.rglob("*") if path.is_file() and path.name != ANSWERS_FILE)
    return {str(path.relative_to(folder)): path.read_text() for path in names}
