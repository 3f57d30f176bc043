"""The circuit breaker that all workers share: it counts failures, opens, and lets one call probe."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from random import random
from typing import NamedTuple

import msgspec

from celeriac.clock import SYSTEM, Clock
from celeriac.coordination import ABSENT, Coordination
from celeriac.errors import BreakerOpen, CoordinationError
from celeriac.events import emit
from celeriac.flow.probe import Probe
from celeriac.flow.standing import Standing, decode, encode
from celeriac.plan import Breaker

#: a breaker that nobody has touched for this long is forgotten, which closes it
_KEPT = timedelta(days=7)
#: how often another caller may be faster before we say that the breaker is not to be had
_TRIES = 5
#: while nothing can be known, how long to wait before asking again
_BLIND_WAIT = timedelta(seconds=5)
_LONGEST_LOOK_S, _SHORTEST_LOOK_S = 10.0, 0.2


class Passage(NamedTuple):
    """One call that was let through.

    standing, version: as it was when the call began. probe: set if the breaker hangs on this call alone.
    """

    standing: Standing
    version: int
    probe: Probe | None = None


class SharedBreaker:
    """One breaker, as one process sees it; safe to use from several threads, and after a fork.

    Every call that is let through must be ended by `succeeded`, `failed` or `said_nothing`.
    """

    def __init__(self, settings: Breaker, store: Coordination, clock: Clock = SYSTEM) -> None:
        self.settings = settings
        self._store = store
        self._clock = clock
        self._key = f"breaker:{settings.name}"

    def enter(self) -> Passage:
        """Let a call through.

        Raises: BreakerOpen, with the time to wait, while the breaker is open, another call probes, or the store cannot
        be asked.
        """
        try:
            for _ in range(_TRIES):
                standing, version = self._read()
                if standing.state == "closed":
                    return Passage(standing, version)
                if self._store.load(self._timer(standing)) is not None:
                    raise self._open(standing)
                probing = standing.changed("probing", self._clock.wall())
                probe = Probe(self._store, self._timer(probing), self._probe_ttl)
                version = self._write(version, probing)
                if version:
                    probe.begin()
                    emit("flow", "breaker.probing", breaker=self.settings.name)
                    return Passage(probing, version, probe)
        except CoordinationError as error:
            raise self._blind(error) from error
        raise self._open(standing)

    def succeeded(self, passage: Passage) -> None:
        """Take that the call worked: a probe closes the breaker."""
        if passage.probe is not None and self._settle(passage, "closed"):
            emit("flow", "breaker.closed", breaker=self.settings.name)

    def failed(self, passage: Passage) -> None:
        """Take that the call failed: it is counted, or opens the breaker again if it was the probe."""
        if passage.probe is not None:
            if self._settle(passage, "open"):
                self._say_open(1)
            return
        settings = self.settings
        with self._unless_blind():
            failures = self._store.add(f"{self._key}:{passage.standing.turn}", settings.window)
            if failures < settings.failures:
                return
            standing, version = self._read()
            # Calls that began before the breaker last changed say nothing about it now.
            if standing.turn == passage.standing.turn and self._replace(standing, version, "open"):
                self._say_open(failures)

    def said_nothing(self, passage: Passage) -> None:
        """Take that the call ended without saying whether it works: after such a probe, the next call probes."""
        if passage.probe is None:
            return
        with self._unless_blind():
            passage.probe.end()
            # Open, with a timer that the store has never known: cooled down.
            self._write(passage.version, passage.standing.changed("open", self._clock.wall()))

    def standing(self) -> Standing:
        """Say where the breaker stands.

        Raises: CoordinationError.
        """
        return self._read()[0]

    def failures(self, standing: Standing) -> int:
        """Say how many failures count in this standing now.

        Raises: CoordinationError.
        """
        return self._store.add(f"{self._key}:{standing.turn}", self.settings.window, 0)

    def reset(self) -> None:
        """Close the breaker, whatever it has seen.

        Raises: CoordinationError.
        """
        standing, version = self._read()
        while standing.state != "closed" and not self._replace(standing, version, "closed"):
            standing, version = self._read()
        emit("flow", "breaker.reset", breaker=self.settings.name)

    @property
    def _probe_ttl(self) -> timedelta:
        # A probe that dies is replaced after this; one that lives counts it anew for as long as it takes.
        return max(self.settings.cool_down, timedelta(seconds=1))

    def _settle(self, passage: Passage, state: str) -> bool:
        """End a probe. False if it took so long that another has been let in, whose word counts."""
        assert passage.probe is not None
        passage.probe.end()
        with self._unless_blind():
            return self._replace(passage.standing, passage.version, state)
        return False

    def _replace(self, standing: Standing, version: int, state: str) -> bool:
        after = standing.changed("open" if state == "open" else "closed", self._clock.wall())
        if state == "open":
            # The timer runs before anybody can read of it: an open breaker without one would let a probe in at once.
            self._store.swap(self._timer(after), ABSENT, b"", self.settings.cool_down)
        return bool(self._write(version, after))

    def _read(self) -> tuple[Standing, int]:
        found = self._store.load(self._key)
        if found is None:
            return Standing(), ABSENT
        try:
            return decode(found.value), found.version
        except msgspec.DecodeError:
            # Written by something else; closed, and replaced when it changes.
            return Standing(), found.version

    def _write(self, version: int, standing: Standing) -> int:
        return self._store.swap(
            self._key, version, encode(standing), max(_KEPT, self.settings.cool_down * 10)
        )

    def _timer(self, standing: Standing) -> str:
        return f"{self._key}:{standing.timer}"

    def _open(self, standing: Standing) -> BreakerOpen:
        cool_down_s = self.settings.cool_down.total_seconds()
        if standing.state == "open":
            wait_s = max(standing.since + cool_down_s - self._clock.wall(), 0.0)
        else:
            wait_s = min(max(cool_down_s / 4, _SHORTEST_LOOK_S), _LONGEST_LOOK_S)
        # Spread a little, so that not everything that waits comes back in one moment.
        wait_s = min(wait_s, cool_down_s) + min(cool_down_s / 10, _LONGEST_LOOK_S) * random()  # noqa: S311
        return BreakerOpen(
            "FLOW-001",
            f'the breaker "{self.settings.name}" is {"being probed" if standing.state == "probing" else "open"}: '
            "what it guards is not called.",
            wait=timedelta(seconds=wait_s),
            fix="wait, or mend what it guards; the next call after the cool-down finds out",
        )

    def _blind(self, error: CoordinationError) -> BreakerOpen:
        emit("flow", "breaker.blind", breaker=self.settings.name, error=error.message)
        wait = min(_BLIND_WAIT, self.settings.cool_down)
        return BreakerOpen(
            "FLOW-002",
            f'whether the breaker "{self.settings.name}" is open cannot be told, so it counts as open: {error.message}',
            wait=wait * (0.5 + random() / 2),  # noqa: S311
            at=error.at,
            fix=error.fix,
        )

    def _unless_blind(self) -> suppress:
        return _Said(self.settings.name)

    def _say_open(self, failures: int) -> None:
        emit(
            "flow",
            "breaker.opened",
            breaker=self.settings.name,
            failures=failures,
            cool_down_s=self.settings.cool_down.total_seconds(),
        )


class _Said(suppress):
    """Says, instead of raising, that the end of a call could not be taken: the call has its outcome all the same."""

    def __init__(self, breaker: str) -> None:
        super().__init__(CoordinationError)
        self._breaker = breaker

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, CoordinationError):
            emit("flow", "breaker.blind", breaker=self._breaker, error=error.message)
            return True
        return False
