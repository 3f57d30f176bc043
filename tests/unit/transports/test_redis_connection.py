"""Connections of an app on Redis: which transport they take, and how they are named."""

from __future__ import annotations

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis import ConnectionError  # noqa: A004

import celeriac


def app_on(broker: str, **conf: object) -> Celery:
    return celeriac.adopt(Celery("t", set_as_current=False), celeriac.Plan(broker=broker, celery=conf))


@pytest.mark.parametrize(
    ("broker", "named"),
    [
        ("redis://:secret@h:6380/3", "redis://:**@h:6380/3"),
        ("rediss://u:secret@h:6380/3?ssl_cert_reqs=required", "rediss://u:**@h:6380/3"),
        ("sentinel://h:26379/1", "sentinel://:**@h:26379/1"),
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("amqp://u:secret@h:5672/v", "amqp://u:**@h:5672/v"),
        ("memory://", "memory://:**@localhost//"),
    ],
)
def test_a_connection_is_named_by_the_scheme_of_the_plan(broker: str, named: str) -> None:
    assert app_on(broker).connection_for_read().as_uri() == named


def test_a_connection_that_turns_to_another_sentinel_keeps_our_transport() -> None:
    app = app_on("sentinel://a:26379/0;sentinel://b:26379/0")
    connection = app.connection_for_write()
    before = connection.transport_cls
    connection.maybe_switch_next()
    assert connection.hostname == "b"
    assert connection.transport_cls == before
    assert type(connection.transport).__module__.startswith("celeriac.")
    assert connection.clone().transport_cls == before


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "redis+socket:///nowhere/redis.sock"])
def test_sending_without_an_end_of_tries_ends(broker: str) -> None:
    with app_on(broker).connection_for_write() as connection, pytest.raises(OperationalError):
        connection.ensure(None, _unreachable)()


def _unreachable() -> None:
    raise ConnectionError("refused")
