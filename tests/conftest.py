"""What every test can ask for: real servers, a project with real processes, and waiting for a condition."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from servers import janitor, waiting
from servers.browser import Browser, running_browser
from servers.postgres_server import PostgresServer, running_postgres
from servers.project import PLAN, TASKS, Project
from servers.prometheus_server import PrometheusServer, running_prometheus
from servers.rabbitmq_server import RabbitMQServer, running_rabbitmq
from servers.redis_server import RedisServer, running_redis
from servers.redis_tls_server import TlsRedisServer, running_tls_redis
from servers.soak import SoakFigures
from servers.sqs_server import SqsServer, running_sqs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", action="store_true", help="also run the tests marked soak (or CELERIAC_SOAK=1)"
    )


def is_soak(config: pytest.Config) -> bool:
    return bool(config.getoption("--soak")) or os.environ.get("CELERIAC_SOAK") == "1"


def pytest_configure(config: pytest.Config) -> None:
    if not getattr(config.option, "numprocesses", None):
        # Under xdist each worker is followed, and the one that hands out the tests starts nothing.
        janitor.follow()
    if is_soak(config):
        config.pluginmanager.register(SoakFigures())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_soak(config):
        return
    skip = pytest.mark.skip(reason="long: run by `make soak`")
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(skip)


def is_ci() -> bool:
    """In CI nothing may be skipped for want of a server."""
    return os.environ.get("CI") == "true"


@pytest.fixture(autouse=True)
def nothing_gathered() -> None:
    """Results that one test gathered in this process, for a store that is gone since, must not reach the next test."""
    gathering = sys.modules.get("celeriac.backends.gathering")
    if gathering is not None:
        gathering.GATHERED.forget()


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """What a command or a worker of one test does to the loggers of this process must not reach the next test."""
    ours = [
        logger
        for name, logger in logging.Logger.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in ("celeriac", "celery", "kombu")
    ]
    before = [
        (logger, logger.level, logger.propagate, logger.disabled, logger.handlers[:]) for logger in ours
    ]
    root_level = logging.root.level
    yield
    for logger, *state in before:
        logger.level, logger.propagate, logger.disabled, logger.handlers = state
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.startswith("celeriac") and logger not in ours:
            logger.propagate, logger.disabled, logger.level = True, False, logging.NOTSET
    logging.root.setLevel(root_level)
    logging.Logger.manager._clear_cache()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis for the whole session; skips where none is installed, fails there in CI."""
    try:
        with running_redis(tmp_path_factory.mktemp("redis")) as server:
            yield server
    except FileNotFoundError as missing:
        if is_ci():
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def tls_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRedisServer]:
    """A real Redis that speaks TLS and asks for a password; skips where none is installed, fails there in CI."""
    try:
        with running_tls_redis(tmp_path_factory.mktemp("tls-redis")) as server:
            yield server
    except FileNotFoundError as missing:
        if is_ci():
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL for the whole session; skips where none is installed, fails there in CI."""
    try:
        with running_postgres() as server:
            yield server
    except FileNotFoundError as missing:
        if is_ci():
            raise
        pytest.skip(str(missing))


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[..., PrometheusServer]]:
    """Start a real Prometheus: `prometheus("127.0.0.1:9540")`; skips where none is installed, fails there in CI."""
    with ExitStack() as running:

        def start(target: str, auth: str = "", config_text: str = "") -> PrometheusServer:
            try:
                return running.enter_context(
                    running_prometheus(tmp_path / "prometheus", target, auth, config_text)
                )
            except FileNotFoundError as missing:
                if is_ci():
                    raise
                pytest.skip(str(missing))

        yield start


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQServer]:
    """A real RabbitMQ, its management API included, for the whole session; skipped and failed as Redis is."""
    try:
        with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq"), management=True) as server:
            yield server
    except FileNotFoundError as missing:
        if is_ci():
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def sqs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqsServer]:
    """A stand-in for Amazon SQS for the whole session."""
    with running_sqs(tmp_path_factory.mktemp("sqs")) as server:
        yield server


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A real Chromium: `browser.open(url, is_dark=True)`; skips where none is installed, fails there in CI."""
    with ExitStack() as running:
        try:
            opened = running.enter_context(running_browser())
        except FileNotFoundError as missing:
            if is_ci():
                raise
            pytest.skip(str(missing))
        yield opened


@pytest.fixture
def eventually() -> Callable[..., object]:
    """`eventually(condition, within=60.0)`: wait until the condition gives something true."""
    return waiting.eventually


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Make a project: `project(plan=…, tasks=…, environ={…})`; all its processes end with the test."""
    made: list[Project] = []

    def make(*, plan: str = PLAN, tasks: str = TASKS, environ: Mapping[str, str] | None = None) -> Project:
        folder = tmp_path / f"project-{len(made)}"
        made.append(Project(folder, plan=plan, tasks=tasks, environ=environ or {}))
        return made[-1]

    yield make
    for each in made:
        each.close()
