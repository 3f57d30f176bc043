"""Decompression that stops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kombu import compression
from kombu.message import Message

from celeriac.tasks.decompression import bound_decompression


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    bound_decompression(1000)
    yield
    bound_decompression()


@pytest.mark.parametrize("name", ["gzip", "bzip2", "lzma"])
def test_a_body_within_the_bound_is_unpacked_and_a_greater_one_stays_packed(name):
    for size in (0, 1, 999, 1000):
        packed, content_type = compression.compress(b"x" * size, name)
        unpacked = Message(packed, headers={"compression": content_type})
        assert (unpacked.body, unpacked.errors) == (b"x" * size, [])
    packed, content_type = compression.compress(b"x" * 1001, name)
    bomb = Message(packed, headers={"compression": content_type})
    assert bomb.body == packed
    assert "1000 bytes" in str(bomb.errors[0][1])


@pytest.mark.parametrize("name", ["gzip", "bzip2", "lzma"])
def test_a_body_that_was_cut_off_is_refused(name):
    packed, content_type = compression.compress(b"x" * 500, name)
    assert Message(packed[:-4], headers={"compression": content_type}).errors
