"""The pytest plugin: a project's tasks run inline, on a worker, or in a worker process, and can be asserted on.

Fixtures: celeriac_plan, celeriac_app (both may be overridden), celeriac_bench, celeriac_sent, celeriac_retried,
celeriac_letters. Marker: `@pytest.mark.celeriac("inline" | "worker" | "process", pool=…)`. Nothing of Celery is
imported before a test asks for one of them, so that the plugin costs other projects nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from celery import Celery

    from celeriac.plan import Plan
    from celeriac.testing.bench import Bench
    from celeriac.testing.expect import Expect
    from celeriac.testing.journal import Retrying, Sending
    from celeriac.testing.letters import ExpectLetters

_MARKER = "celeriac"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what pytest's configuration may say."""
    parser.addini(
        "celeriac_plan", "The plan of the project's tasks; else the nearest celeriac.toml.", default=""
    )
    parser.addini(
        "celeriac_app", "The project's Celery app, as for `celery -A`; else the plan's.", default=""
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        'celeriac(mode="inline", pool=None): run the tasks inline, on a "worker" in a thread, or in a worker "process"',
    )


@pytest.fixture(scope="session")
def celeriac_plan(pytestconfig: pytest.Config) -> Plan:
    """The project's plan: the file that `celeriac_plan` of pytest's configuration names, else the nearest one."""
    from celeriac.plan import Plan, find_plan, read_plan

    said = pytestconfig.getini("celeriac_plan")
    found: Path | None = pytestconfig.rootpath / said if said else find_plan(pytestconfig.rootpath)
    return read_plan(found) if found else Plan(folder=pytestconfig.rootpath)


@pytest.fixture(scope="session")
def celeriac_app(
    celeriac_plan: Plan, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Celery:
    """The project's Celery app, with its tasks.

    It is the one that `celeriac_app` of pytest's configuration names, else the plan's. Override the fixture to give
    another; one that has no plan yet is adopted.
    """
    from celeriac.app import load_app
    from celeriac.testing.redirect import moved

    folder = str(celeriac_plan.folder.absolute())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    home = tmp_path_factory.mktemp("celeriac")
    app = load_app(moved(celeriac_plan, home), pytestconfig.getini("celeriac_app") or None)
    app.loader.import_default_modules()
    return app


@pytest.fixture
def celeriac_bench(
    request: pytest.FixtureRequest, celeriac_app: Celery, celeriac_plan: Plan, tmp_path: Path
) -> Iterator[Bench]:
    """The app on a broker of the test's own, with what its marker says to run the tasks; inline without a marker."""
    from msgspec.structs import replace

    from celeriac.app import adopt
    from celeriac.tasks import Runtime
    from celeriac.testing.bench import bench

    mode, pool = _asked(request.node)
    app: Any = celeriac_app
    if not isinstance(getattr(app, "celeriac", None), Runtime):
        adopt(app, celeriac_plan)
    app.finalize(auto=True)
    folder = tmp_path / "celeriac"
    folder.mkdir()
    path = request.config.getini("celeriac_app") or celeriac_plan.app
    project = replace(app.celeriac.plan, folder=celeriac_plan.folder, source=celeriac_plan.source)
    with bench(app, folder, mode, pool=pool, app_path=path, project=project) as made:
        yield made


@pytest.fixture
def celeriac_sent(celeriac_bench: Bench) -> Expect[Sending]:
    """What was sent: `celeriac_sent.one("shop.pay", args=(5,), queue="low")`."""
    return celeriac_bench.sent


@pytest.fixture
def celeriac_retried(celeriac_bench: Bench) -> Expect[Retrying]:
    """What was retried: `celeriac_retried.times(3, "shop.pay", exception=ConnectionError)`."""
    return celeriac_bench.retried


@pytest.fixture
def celeriac_letters(celeriac_bench: Bench) -> ExpectLetters:
    """What was dead-lettered: `celeriac_letters.one("shop.pay", exception=ValueError)`, and its replay."""
    return celeriac_bench.letters


@pytest.fixture(autouse=True)
def _celeriac_marked(request: pytest.FixtureRequest) -> None:
    """Set the bench up for a marked test that names none of the fixtures."""
    if request.node.get_closest_marker(_MARKER) is not None:
        request.getfixturevalue("celeriac_bench")


def _asked(item: Any) -> tuple[str, str | None]:
    """Read the mode and the pool off the marker of a test."""
    marker = item.get_closest_marker(_MARKER)
    if marker is None:
        return "inline", None
    args = dict(zip(("mode", "pool"), marker.args, strict=False)) | marker.kwargs
    return args.get("mode", "inline"), args.get("pool")
