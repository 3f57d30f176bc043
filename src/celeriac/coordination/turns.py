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
#: places are given this much further apart than starts have to be, so that who comes late finds room among the others
SPARE = 50


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

    free: when the next start would be due without slack.
    last: the last place that was given to who came anew; late: the last that was given to who came back too late.
    apart: of the pace that the places were given by.
    """

    free: int = 0
    last: int = 0
    late: int = 0
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
    step = apart + apart // SPARE
    # It cannot be further ahead, unless the clock was set back or the pace was slower.
    free = min(line.free, now + slack + apart)
    if line.apart != apart:
        # Places of another pace say nothing; who has one comes when it is due, and starts as `free` lets him.
        line = Line(free, now - step, now - step, apart)
    if place is not None and place - slack // 2 > now:
        return Turn(place - now, place, line)
    if free - slack <= now and (place is not None or max(line.last, line.late) <= now):
        return Turn(0, None, line._replace(free=max(free, now) + apart))
    # Half of the slack before and half of it after: brokers deliver a little early, or late.
    soonest = free - slack // 2
    behind = line.late if place is not None else max(line.last, line.late)
    given = max(soonest, behind + step)
    if place is None:
        if patience is not None and given - now > micros(patience):
            return Turn(given - now, None, line)
        return Turn(given - now, given, line._replace(last=given))
    return Turn(given - now, given, line._replace(late=given))


def micros(span: timedelta) -> int:
    """Give a span in whole microseconds."""
    return span // timedelta(microseconds=1)
