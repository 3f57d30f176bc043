"""The tutorial: Celeriac shown at work in the terminal, every claim of it checked by counting.

In flows a cast (which tasks play which part) and a plan with its app: a small project of the tutorial's own in a
temporary folder, or the project of whoever asks. Out flows a story in steps: each says what to look at, waits for the
reader, does it with real workers, and counts at the broker and in the records whether it happened. The first claim that
does not hold ends it with a TutorialError; whatever the end, every process it started is gone after it.
"""

from __future__ import annotations

from celeriac.tutorial.cast import PARTS, Call, Cast, read_cast
from celeriac.tutorial.door import leave_by_the_door
from celeriac.tutorial.guest import guest_in
from celeriac.tutorial.pace import NoWait, Pace, Reader
from celeriac.tutorial.sample import sample_project
from celeriac.tutorial.screen import Screen
from celeriac.tutorial.stage import Stage
from celeriac.tutorial.tour import STEPS, chosen_steps, play

__all__ = [
    "PARTS",
    "STEPS",
    "Call",
    "Cast",
    "NoWait",
    "Pace",
    "Reader",
    "Screen",
    "Stage",
    "chosen_steps",
    "guest_in",
    "leave_by_the_door",
    "play",
    "read_cast",
    "sample_project",
]
