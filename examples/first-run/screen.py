"""What the viewer sees: a story in steps, with the commands as one would type them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_WIDTH_WITHOUT_TERMINAL = 110


class Bar:
    """How much is loaded; a line for each tenth where there is no terminal to draw on."""

    def __init__(self, console: Console, progress: Progress | None, total: int) -> None:
        self._console = console
        self._progress = progress
        self._total = total
        self._said = 0
        self._task = progress.add_task("rows loaded", total=total) if progress else None

    def show(self, rows: int) -> None:
        """Draw the bar anew."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=rows)
            return
        tenth = rows * 10 // self._total
        if tenth > self._said:
            self._said = tenth
            self._console.print(f"  {rows:,} of {self._total:,} rows loaded")


class Screen:
    """Prints to a terminal, and plainly to anything else."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = _WIDTH_WITHOUT_TERMINAL
        self._step = 0

    def step(self, title: str) -> None:
        """Begin a new part of the story."""
        self._step += 1
        self._console.print()
        self._console.print(f"[bold]{self._step}. {title}[/bold]")

    def say(self, text: str) -> None:
        """Tell something."""
        self._console.print(Text(f"  {text}"))

    def alarm(self, text: str) -> None:
        """Tell something that must not be overlooked."""
        self._console.print(Text(f"  {text}", style="bold red"))

    def command(self, typed: str, printed: str = "", lines: int = 40) -> None:
        """Show a command as it is typed, and at most so many lines of what it printed."""
        self._console.print(Text(f"  $ {typed}", style="bold cyan"))
        shown = printed.rstrip().splitlines()
        for line in shown[:lines]:
            self._console.print(Text(f"    {line.rstrip()}"), overflow="ellipsis", no_wrap=True)
        if len(shown) > lines:
            self._console.print(Text(f"    … {len(shown) - lines} lines more"))

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a small table; all but its first column are numbers."""
        table = Table(box=None, padding=(0, 2))
        for index, heading in enumerate(headings):
            table.add_column(heading, justify="right" if index else "left")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def verdict(self, held: bool, claim: str) -> None:
        """Say whether a claim held."""
        mark = Text("  ✓ ", style="green") if held else Text("  ✗ ", style="bold red")
        self._console.print(mark + Text(claim))

    def last(self, label: str, value: str) -> None:
        """One of the last lines."""
        self._console.print(Text(f"{label:<20}{value:>12}", style="bold"))

    def end(self, passed: bool) -> None:
        """The very last word."""
        self._console.print(Text("PASS" if passed else "FAIL", style="bold green" if passed else "bold red"))

    @contextmanager
    def bar(self, total: int) -> Iterator[Bar]:
        """Show how loading goes on, while the story may be told on above it."""
        if not self._console.is_terminal:
            yield Bar(self._console, None, total)
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            yield Bar(self._console, progress, total)
