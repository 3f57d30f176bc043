"""The need: how many slots keep up with what comes and catch up with what waits before it is late."""

from __future__ import annotations

from dataclasses import dataclass

#: of `max_wait`: when a message should have been taken at the latest, and the shortest time that is planned with
_AIM, _LEAST_LEFT = 0.5, 0.1


@dataclass(frozen=True, kw_only=True)
class Line:
    """One queue, or a share of it.

    messages: ready or due.
    oldest_age_s: of the oldest of them; None: unknown, or none waits.
    max_wait_s: the queue's objective; None: it has none.
    """

    messages: float
    oldest_age_s: float | None = None
    max_wait_s: float | None = None

    @property
    def is_late(self) -> bool:
        """Whether the oldest waits longer than it should."""
        return (
            self.messages > 0 and self.max_wait_s is not None and (self.oldest_age_s or 0.0) > self.max_wait_s
        )

    @property
    def left_s(self) -> float | None:
        """The time within which its messages are to be taken; None without an objective."""
        if self.max_wait_s is None:
            return None
        return max(self.max_wait_s * _AIM - (self.oldest_age_s or 0.0), self.max_wait_s * _LEAST_LEFT)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What was measured of late; None: not yet.

    arrivals_per_s: messages that came; task_s: seconds one of them keeps a slot busy.
    """

    arrivals_per_s: float | None = None
    task_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What there is to do.

    lines: the queues; running: tasks that run now.
    """

    lines: tuple[Line, ...]
    running: int
    rates: Rates = Rates()

    @property
    def waiting(self) -> float:
        """Messages that wait in all queues."""
        return sum(line.messages for line in self.lines)

    @property
    def work(self) -> float:
        """A slot for each message: ready, due and running. What KEDA is told, times slots."""
        return self.waiting + self.running

    def need(self, load: float) -> float:
        """Say how many slots it needs, if those that keep up are to be busy for `load` of their time."""
        task_s, arrivals_per_s = self.rates.task_s, self.rates.arrivals_per_s
        if task_s is None or arrivals_per_s is None:
            return self.work
        keep_up = arrivals_per_s * task_s / load
        if any(line.is_late for line in self.lines):
            return max(self.work, keep_up)
        lefts = [left for line in self.lines if line.messages and (left := line.left_s) is not None]
        # A running task that outlasts the time left keeps its slot from those that wait.
        held = self.running * min(1.0, task_s / min(lefts)) if lefts else 0.0
        catch_up = sum(line.messages * _slots_a_message(line, task_s) for line in self.lines)
        return min(max(keep_up, held) + catch_up, max(self.work, keep_up))


def _slots_a_message(line: Line, task_s: float) -> float:
    left = line.left_s
    return 1.0 if left is None else min(1.0, task_s / left)
