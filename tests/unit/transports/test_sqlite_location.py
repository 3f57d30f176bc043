"""Where a broker's file is, read from its URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from celeriac.errors import BrokerError
from celeriac.transports.sqlite.location import Location, locate


def test_three_slashes_are_relative_and_four_absolute() -> None:
    assert locate("sqlite:///a/b.db").path == Path.cwd() / "a/b.db"
    assert locate("sqlite:////a/b.db") == Location(Path("/a/b.db"), "full", 10.0)


def test_options_say_how_safe_a_commit_is_and_how_long_a_lease_lasts() -> None:
    assert locate("sqlite:////b.db?durability=relaxed&lease=30s") == Location(Path("/b.db"), "relaxed", 30.0)


@pytest.mark.parametrize("folder", ["50% off", "shop#2", "mein Büro", "a+b", "%41"])
def test_a_folder_may_have_any_name(folder: str) -> None:
    assert locate(f"sqlite:////{folder}/broker.db").path == Path(f"/{folder}/broker.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite://host/b.db",
        "redis:///b.db",
        "sqlite:///b.db?durability=maybe",
        "sqlite:///b.db?lease=0s",
        "sqlite:///b.db?lease=soon",
        "sqlite:///b.db?timeout=3",
    ],
)
def test_what_does_not_say_where_the_broker_lives_is_refused(url: str) -> None:
    with pytest.raises(BrokerError, match="BROKER-001"):
        locate(url)
