"""Turns at a limited pace: whether somebody may start now, and when it is his turn if not.

This is the rule of every store, as the SQL stores apply it; turns_lua.py says the same to Redis. All times are
microseconds by the store's clock. Source: the generic cell rate algorithm ("virtual scheduling", ITU-T I.371), with a
line of places before it; docs/design/0010-rates.md.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

#: how long a place is kept that nobody comes back for, and what is known of a pace that nobody uses
KEPT = timedelta(hours=1)
#: after so many places one is left free, for who comes too late for his own
RUN = 50


class Pace(NamedTuple):
    """How closely starts may follow each other.

    apart: the time between two, in the long run.
    slack: how much of that time one may be ahead; of many who come to an idle pace, 1 + slack // apart start at once.

    No window of the length L sees more than ceil((L + slack) / apart) starts.
    """

    apart: timedelta
    slack: timedelta


class Line(NamedTuple):
    """What is known of one pace.

    free: when the next start would be due without slack; it alone says who may start.
    last: the last place of the line.
    spare: the first place left free that nobody has; after each RUN places there is another.
    apart: of the pace that the places were given by.
    """

    free: int = 0
    last: int = 0
    spare: int = 0
    apart: int = 0


class Turn(NamedTuple):
    """What becomes of one who asks.

    wait: 0: start now. place: what is to be kept for him; None: nothing. line: the line after him.
    """

    wait: int
    place: int | None
    line: Line


def decide(line: Line, place: int | None, now: int, pace: Pace, patience: timedelta | None) -> Turn:
    """Give the turn of one who asks at `now`.

    place: what was kept for him; None if he comes anew.
    patience: he does not wait longer, so no place beyond it is given away; None: as long as it takes.
    """
    apart, slack = micros(pace.apart), micros(pace.slack)
    # It cannot be further ahead, unless the clock was set back or the pace was slower.
    free = min(line.free, now + slack + apart)
    if line.apart != apart:
        # Places of another pace say nothing; who has one comes when it is due, and starts as `free` lets him.
        line = Line(free, now - apart, now, apart)
    if place is not None and place - slack // 2 > now:
        return Turn(place - now, place, line)
    # Whose place it was would have started by now: he comes late, perhaps from behind the one who asks.
    is_next = place is not None or line.last <= now or free < now
    if free - slack <= now and is_next:
        return Turn(0, None, line._replace(free=max(free, now) + apart))
    # Half of the slack before and half of it after: brokers deliver a little early, or late.
    soonest = free - slack // 2
    given, after = _spare(line, soonest) if place is not None else (None, line)
    if given is None:
        given, after = _end(line, soonest)
    if patience is not None and given - now > micros(patience):
        return Turn(given - now, None, line)
    return Turn(given - now, given, after)


def _end(line: Line, soonest: int) -> tuple[int, Line]:
    """Give the next place at the end of the line."""
    given = line.last + line.apart
    if given < soonest:
        return soonest, line._replace(last=soonest, spare=soonest + RUN * line.apart)
    if given >= line.spare and (given - line.spare) % _period(line) == 0:
        given += line.apart
    return given, line._replace(last=given)


def _spare(line: Line, soonest: int) -> tuple[int | None, Line]:
    """Give the next place that was left free; None if the line ends before it."""
    behind = max(soonest - line.spare, 0)
    given = line.spare + -(behind // -_period(line)) * _period(line)
    return (given, line._replace(spare=given + _period(line))) if given < line.last else (None, line)


def _period(line: Line) -> int:
    return line.apart * (RUN + 1)


def micros(span: timedelta) -> int:
    """Give a span in whole microseconds."""
    return span // timedelta(microseconds=1)
