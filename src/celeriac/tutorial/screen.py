"""What the reader sees: a story in steps, with queues drawn as they move; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, OverflowMethod
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from celeriac.tutorial.figures import QueueFigure

_WIDEST = 100
_BAR_WIDEST = 40
_NAME_WIDEST = 20
#: the columns of numbers beside a bar, with what is between them
_NUMBERS_WIDE = 29
#: without a terminal, a moving queue is told in so many lines at most, one every so often
_LINES_MAX = 12
_LINE_EVERY_S = 0.5


class Screen:
    """Prints to a terminal, and plainly to anything else."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=False)
        self._console.width = min(self._console.width, _WIDEST)

    @property
    def is_watched(self) -> bool:
        """Whether somebody can both read and answer."""
        return self._console.is_terminal and sys.stdin is not None and sys.stdin.isatty()

    @property
    def _draws(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def head(self, title: str) -> None:
        """The very first line."""
        self._console.print(Text(title, style="bold"))

    def step(self, number: int, count: int, title: str) -> None:
        """Begin a step."""
        self._console.print()
        self._console.rule(
            Text(f"{number}/{count}  {title}", style="bold"), align="left", characters=self._glyph("─", "-")
        )

    def say(self, text: str) -> None:
        """Tell something; the lines of the source are joined, and folded to the terminal's width."""
        self._indented(Text(" ".join(text.split())))

    def typed(self, command: str) -> None:
        """Show a command as one would type it."""
        self._indented(Text(f"$ {command}", style="bold cyan"))

    def told(self, command: str, lines: Sequence[str]) -> None:
        """Show the gist of what a command tells."""
        self._indented(Text.assemble((command, "bold cyan"), " tells, in short:"))
        for line in lines:
            self._indented(Text(line.rstrip(), style="cyan", no_wrap=True, overflow=self._cut), 4)

    def named(self, command: str, shows: str) -> None:
        """Name a command, and what it shows."""
        self._indented(Text(f"$ {command}", style="bold cyan"))
        self._indented(Text(shows), 4)

    def code(self, lines: str) -> None:
        """Show lines of a program or of a plan."""
        self._indented(Text(lines.strip("\n"), style="cyan"), 4)

    def look(self, text: str) -> None:
        """Say what to look at."""
        self._indented(Text.assemble(("Look:", "bold yellow"), f" {' '.join(text.split())}"))

    def held(self, claim: str) -> None:
        """A claim that was counted and holds."""
        self._mark(self._glyph("✓", "ok"), "bold green", claim)

    def failed(self, claim: str) -> None:
        """A claim that does not hold."""
        self._mark(self._glyph("✗", "NO"), "bold red", claim)

    def alarm(self, text: str) -> None:
        """Something that must not be overlooked."""
        self._indented(Text(text, style="bold red"))

    def end(self, text: str) -> None:
        """The very last words."""
        self._console.print()
        self._console.print(Text.assemble(("All of it happened.", "bold green"), f" {text}"))

    def ask(self, prompt: str) -> str:
        """Wait for a line of the reader."""
        return self._console.input(Text(f"  {prompt}", style="dim"))

    def queues(self, figures: Sequence[QueueFigure]) -> None:
        """Draw the queues as they are."""
        self._console.print(self._drawn(figures, max((it.ready for it in figures), default=0)))

    @contextmanager
    def moving(self) -> Iterator[Moving]:
        """Draw queues as they move, while the block calls `show`."""
        if not self._draws:
            yield Moving(self, None)
            return
        with Live(console=self._console, auto_refresh=False) as live:
            yield Moving(self, live)

    def _indented(self, text: Text, by: int = 2) -> None:
        self._console.print(Padding(text, (0, 0, 0, by), expand=False))

    def _mark(self, mark: str, style: str, claim: str) -> None:
        row = Table.grid(padding=(0, 1))
        row.add_column(no_wrap=True)
        row.add_column(overflow="fold")
        row.add_row(Text(mark, style=style), Text(claim))
        self._console.print(Padding(row, (0, 0, 0, 2), expand=False))

    def _drawn(self, figures: Sequence[QueueFigure], most: int) -> Padding:
        spare = self._console.width - _NUMBERS_WIDE
        name = max(6, min(_NAME_WIDEST, max((len(it.name) for it in figures), default=0), spare // 2))
        wide = max(3, min(_BAR_WIDEST, spare - name))
        table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
        table.add_column("queue", overflow=self._cut, no_wrap=True, width=name)
        table.add_column("", no_wrap=True, width=wide)
        for heading in ("waiting", "taken", "readers"):
            table.add_column(heading, justify="right", no_wrap=True)
        for it in figures:
            filled = 0 if not most or not it.ready else max(1, round(wide * it.ready / most))
            bar = Text(self._glyph("█", "#") * filled, style="yellow") + Text(
                self._glyph("·", ".") * (wide - filled), style="dim"
            )
            table.add_row(it.name, bar, str(it.ready), _number(it.unacked), _number(it.readers))
        return Padding(table, (0, 0, 0, 2), expand=False)

    @property
    def _cut(self) -> OverflowMethod:
        return "crop" if self._console.options.ascii_only else "ellipsis"

    def _glyph(self, nice: str, plain: str) -> str:
        return plain if self._console.options.ascii_only else nice


class Moving:
    """Queues that are drawn again and again; the longest bar is the most that was ever seen."""

    def __init__(self, screen: Screen, live: Live | None) -> None:
        self._screen = screen
        self._live = live
        self._most = 1
        self._began = time.monotonic()
        self._said: list[str] = []
        self._said_at = -_LINE_EVERY_S

    def show(self, figures: Sequence[QueueFigure]) -> None:
        """Draw the queues as they are now."""
        self._most = max(self._most, *(it.ready for it in figures))
        if self._live is not None:
            self._live.update(self._screen._drawn(figures, self._most), refresh=True)
            return
        line = ", ".join(
            f"{it.name} {it.ready} waiting" + (f" {it.unacked} taken" if it.unacked else "") for it in figures
        )
        at = time.monotonic() - self._began
        is_news = line not in self._said[-1:] and at - self._said_at >= _LINE_EVERY_S
        if is_news and len(self._said) < _LINES_MAX:
            self._said.append(line)
            self._said_at = at
            self._screen.say(f"{at:4.1f}s  {line}")


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)
