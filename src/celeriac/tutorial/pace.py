"""Whether the story waits for its reader between two parts."""

from __future__ import annotations

from typing import Protocol

from celeriac.errors import TutorialError
from celeriac.tutorial.screen import Screen


class Pace(Protocol):
    """Says when the story goes on."""

    def wait(self, what_comes: str) -> None:
        """Come back when it is time for what comes.

        Raises: KeyboardInterrupt if the reader wants to leave.
        """
        ...


class NoWait:
    """Goes on at once."""

    def wait(self, what_comes: str) -> None:
        """Come back at once."""


class Reader:
    """Waits for somebody at the terminal to press Enter."""

    def __init__(self, screen: Screen) -> None:
        """Raises: TutorialError TUTOR-001 if nobody can."""
        if not screen.is_watched:
            raise TutorialError(
                "TUTOR-001",
                "nobody is at a terminal to press Enter.",
                at="standard input",
                fix="add --no-input, which goes on by itself",
            )
        self._screen = screen

    def wait(self, what_comes: str) -> None:
        """Wait for Enter; q, Ctrl-C and Ctrl-D leave."""
        try:
            answer = self._screen.ask(f"Enter to {what_comes}, q to leave: ")
        except EOFError:
            raise KeyboardInterrupt from None
        if answer.strip().lower() in ("q", "quit"):
            raise KeyboardInterrupt
