"""Passwords of URLs, wherever a text has them."""

from __future__ import annotations

import pytest

from celeriac.errors import redacted


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("redis://:secret@h/0", "redis://:***@h/0"),
        ("amqp://u:se@cr/et@h:5672//", "amqp://u:***@h:5672//"),
        ("redis://:secret@h/0,redis://:secret@i/1", "redis://:***@h/0,redis://:***@i/1"),
        ("neither redis://u:secret@h nor amqp://v:secret@k", "neither redis://u:***@h nor amqp://v:***@k"),
        ("http://host:80/path", "http://host:80/path"),
        ("sqlite:///folder/broker.db", "sqlite:///folder/broker.db"),
    ],
)
def test_a_password_is_hidden_and_the_rest_is_shown(told: str, shown: str) -> None:
    assert redacted(told) == shown
