"""What the engine was built to reach, and how far one run got: each aim with its figure and whether it is met."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from benchmarks.systems import STOCK, SYSTEMS

Figures = dict[str, dict[str, float]]
_OURS = [system.name for system in SYSTEMS if system.is_ours and not system.is_embedded]
#: they run every accepted task at least once, as we do
_SAFE_PEERS = [system.name for system in SYSTEMS if not system.is_ours and not system.loses]
_PROCESSES = "Celeriac, processes 2"
_TASKIQ = "taskiq, streams, 2 processes"


class Got(NamedTuple):
    """How far a run got. said: the figure and whose it is."""

    said: str
    is_reached: bool


class Aim(NamedTuple):
    """One thing to reach.

    said: with results stored, on two cores, against stock Celery's prefork in the same run. decided_by: where the time
    goes. judge: takes the figures by system, and the rates by depth.
    """

    said: str
    decided_by: str
    judge: Callable[[Figures, dict[str, float]], Got]


def table(figures: Figures, depths: dict[str, float]) -> str:
    """Give the aims as a table in Markdown, beside what this run got."""
    lines = ["| aim | this run | | what decides it |", "|---|---|---|---|"]
    for aim in AIMS:
        got = aim.judge(figures, depths)
        lines.append(
            f"| {aim.said} | {got.said} | {'reached' if got.is_reached else 'not reached'} | {aim.decided_by} |"
        )
    return "\n".join(lines)


def _best(figures: Figures, names: Iterable[str], figure: str) -> tuple[str, float]:
    """Give who has the most of a figure, and how much."""
    found = [(figures[name][figure], name) for name in names if figure in figures.get(name, {})]
    most, name = max(found, default=(0.0, "nobody"))
    return name, most


def _times(figure: str, aimed: float, *, peers: float = 0.0) -> Callable[[Figures, dict[str, float]], Got]:
    """Judge a rate by stock's, and by the best safe peer's."""

    def judge(figures: Figures, depths: dict[str, float]) -> Got:
        whose, rate = _best(figures, _OURS, figure)
        times = rate / figures[STOCK.name][figure]
        said, is_reached = f"{times:.1f} times ({whose})", times >= aimed
        if peers:
            peer, theirs = _best(figures, _SAFE_PEERS, figure)
            said += f"; {rate / theirs:.1f} times {peer}"
            is_reached = is_reached and rate >= peers * theirs
        return Got(said, is_reached)

    return judge


def _idle(figures: Figures, depths: dict[str, float]) -> Got:
    p50, p99, whose = min(
        (figures[name]["idle_p50_ms"], figures[name]["idle_p99_ms"], name)
        for name in _OURS
        if name in figures
    )
    return Got(f"{p50:.1f} and {p99:.1f} ms ({whose})", p50 <= 1.2 and p99 <= 3.0)


def _naps(figures: Figures, depths: dict[str, float]) -> Got:
    whose, rate = _best(figures, _OURS, "naps")
    times = rate / figures[_TASKIQ]["naps"]
    return Got(f"{times:.1f} times ({whose})", times >= 2)


def _deep(figures: Figures, depths: dict[str, float]) -> Got:
    share = depths["deep"] / depths["shallow"]
    return Got(f"{share:.0%} of it", share >= 0.9)


def _memory(figures: Figures, depths: dict[str, float]) -> Got:
    ours, stock = figures[_PROCESSES]["idle_mb"], figures[STOCK.name]["idle_mb"]
    return Got(f"{ours:.0f} against {stock:.0f} MB ({_PROCESSES})", round(ours) <= round(stock))


AIMS = (
    Aim(
        "end to end with one `delay()` a task: 8 times stock, and ahead of every peer that loses nothing",
        "the producer: each `delay()` waits for the broker, and shares two cores with two workers and the server",
        _times("end_to_end", 8, peers=1),
    ),
    Aim(
        "end to end in bulk: 14 times",
        "the workers: what they do at one task, and 20 µs of the server",
        _times("end_to_end_bulk", 14),
    ),
    Aim(
        "drain: 15 times, and 4 times the best peer that loses nothing",
        "a worker's own work at a task, and 20 µs of the server",
        _times("drain", 15, peers=4),
    ),
    Aim("idle p50 1.2 ms, p99 3 ms", "a wake-up by the server, one fetch, one result, one ack", _idle),
    Aim("naps: twice taskiq's", "about 330 µs of one process a nap: 3,000 a second and process", _naps),
    Aim(
        "a queue of 1,000,000 at no less than 90% of 10,000's rate",
        "nothing in a fetch depends on the depth",
        _deep,
    ),
    Aim(
        "idle memory at 2 slots no more than stock prefork's",
        "`processes` shares what its parent has loaded; two `solo` workers share nothing, and need more",
        _memory,
    ),
)
