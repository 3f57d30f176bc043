"""Waiting for descriptors."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator

import pytest

from celeriac.transports.readiness import readable

HIGH = 1500


@pytest.fixture
def room() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, HIGH + 1), max(hard, HIGH + 1)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_descriptors_above_1023_can_be_waited_for(room: None) -> None:
    reading, writing = os.pipe()
    os.dup2(reading, HIGH)
    try:
        assert readable([HIGH], 0.01) == []
        os.write(writing, b"x")
        assert readable([HIGH], None) == [HIGH]
    finally:
        for descriptor in (reading, writing, HIGH):
            os.close(descriptor)


def test_only_what_can_be_read_is_given_and_the_rest_is_waited_for_no_longer() -> None:
    pipes = [os.pipe() for _ in range(3)]
    try:
        os.write(pipes[1][1], b"x")
        began = time.monotonic()
        assert readable([reading for reading, _ in pipes], 60) == [pipes[1][0]]
        assert time.monotonic() - began < 30
    finally:
        for pipe in pipes:
            for descriptor in pipe:
                os.close(descriptor)


def test_an_end_that_was_hung_up_counts_as_readable() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    try:
        assert readable([reading], 60) == [reading]
    finally:
        os.close(reading)
