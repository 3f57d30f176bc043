"""Leaving the tutorial, also where Python drops what the signal has raised."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from celeriac.tutorial.door import leave_by_the_door, stay_unless_asked

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def door() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    leave_by_the_door()
    yield
    leave_by_the_door()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_who_was_asked_inside_a_destructor_leaves_when_he_next_waits(
    number: int, kind: type[BaseException]
) -> None:
    class Closing:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    stay_unless_asked()
    closing = Closing()
    del closing
    with pytest.raises(kind) as raised:
        stay_unless_asked()
    if kind is SystemExit:
        assert raised.value.code == 128 + number


def test_who_is_asked_leaves_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
