"""Finding the Celery app that a command works on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import celeriac
from celeriac.app import load_app
from celeriac.errors import AppError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project's folder whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("loading_"):
            del sys.modules[name]


def plan(folder: Path, **parts: object) -> celeriac.Plan:
    return celeriac.Plan(**{"broker": "memory://", "results": "cache+memory://", "folder": folder, **parts})


def test_without_an_app_one_is_made_from_the_plan(folder):
    assert load_app(plan(folder, name="shop")).main == "shop"


@pytest.mark.parametrize("path", ["loading_pkg", "loading_pkg.celery", "loading_pkg.celery:app"])
def test_an_existing_app_is_found_as_celery_finds_it_and_adopted(folder, path):
    (folder / "loading_pkg").mkdir()
    (folder / "loading_pkg" / "__init__.py").touch()
    (folder / "loading_pkg" / "celery.py").write_text("from celery import Celery\napp = Celery('theirs')\n")
    app = load_app(plan(folder), path)
    assert app.main == "theirs"
    assert app.celeriac.plan.folder == folder
    assert app.conf.task_acks_late is True


def test_an_app_that_is_celeriacs_already_is_left_as_it_is(folder):
    (folder / "loading_own.py").write_text(
        "import celeriac\napp = celeriac.create_app(celeriac.Plan(name='own', broker='memory://'))\n"
    )
    app = load_app(plan(folder, app="loading_own:app"))
    assert (app.main, app.celeriac.plan.name) == ("own", "own")


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("loading_nowhere", "APP-003", "loading_nowhere"),
        ("loading_there.nowhere:app", "APP-003", "nowhere"),
        ("loading_there:nothing", "APP-005", "nothing"),
        ("loading_there:number", "APP-006", "int"),
        ("loading_broken:app", "APP-004", "not_installed"),
        ("loading_torn:app", "APP-004", "nonsense"),
    ],
)
def test_what_cannot_be_loaded_says_what_was_looked_for(folder, path, code, said):
    (folder / "loading_there.py").write_text("number = 7\n")
    (folder / "loading_broken.py").write_text("import not_installed\n")
    (folder / "loading_torn.py").write_text("from json import nonsense\n")
    with pytest.raises(AppError, match=said) as refused:
        load_app(plan(folder), path)
    assert refused.value.code == code
    assert refused.value.fix
