"""Which file a result URL names."""

from __future__ import annotations

from pathlib import Path

import pytest

from celeriac.backends.sqlite.file import path_of
from celeriac.errors import ResultsError


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///.celeriac/results.db", ".celeriac/results.db"),
        ("sqlite:////var/lib/shop/results.db", "/var/lib/shop/results.db"),
        ("sqlite:///100% #1/a%20b.db", "100% #1/a%20b.db"),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: str) -> None:
    assert path_of(url) == Path(path)


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///", "sqlite:////", "sqlite://host/x.db", "sqlite:///x.db?timeout=3"]
)
def test_what_names_no_file_or_asks_for_an_unknown_option_is_refused(url: str) -> None:
    with pytest.raises(ResultsError) as refused:
        path_of(url)
    assert refused.value.code == "RESULT-009"
