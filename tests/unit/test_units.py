"""Durations and sizes as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.units import duration, say_duration, say_size, size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("7d", 604_800), ("0s", 0)]
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "30", "s", "-1s", "1 s", "1S", "1s ", "1s\n", "1e3s", "1.s", "٣s", "1w", "∞s", "9" * 10 + "s"],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize("text", ["36526d", "999999999d", "999999999.9h"])
def test_a_duration_of_more_than_a_hundred_years_is_refused(text):
    with pytest.raises(ValueError, match="a hundred years"):
        duration(text)


@pytest.mark.parametrize(("text", "size"), [("1B", 1), ("1.5KiB", 1536), ("512MiB", 2**29), ("2GiB", 2**31)])
def test_a_size_is_a_number_and_a_unit(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "512", "512MB", "512mib", "-1B", "1 KiB", "1KiB\n"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        size_bytes(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_said_is_the_duration_read(milliseconds):
    span = timedelta(milliseconds=milliseconds)
    if len(say_duration(span).rstrip("mshd")) <= 9:
        assert duration(say_duration(span)) == span


@given(st.integers(min_value=0, max_value=999_999_999))
def test_a_size_said_is_the_size_read(size):
    assert size_bytes(say_size(size)) == size


def test_a_duration_is_said_in_the_largest_unit_that_is_whole():
    assert [say_duration(timedelta(seconds=s)) for s in (0, 0.5, 90, 3600, 86_400)] == [
        "0s",
        "500ms",
        "90s",
        "1h",
        "1d",
    ]


def test_a_size_is_said_in_the_largest_unit_that_is_whole():
    assert [say_size(size) for size in (0, 1, 1536, 2**30, 2**40)] == ["0B", "1B", "1536B", "1GiB", "1TiB"]
