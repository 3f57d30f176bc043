"""How a read is shown: one JSON document for programs, or a table for people."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from celeriac.errors import redacted
from celeriac.units import say_age, say_duration

if TYPE_CHECKING:
    from celeriac.plan import Plan

__all__ = ["json_option", "nearest", "print_json", "print_table", "say_age", "say_broker"]

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Give a command `--json`, which it receives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def print_json(document: Any) -> None:
    """Print structs and plain values as one indented JSON document; durations as the plan writes them."""
    import msgspec

    plain = _plain(msgspec.to_builtins(document, builtin_types=(timedelta,), enc_hook=str))
    encoded = msgspec.json.encode(plain)
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return say_duration(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns; a column whose values are all numbers is aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    body = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, heading in enumerate(headings):
        numbers = body and all(isinstance(row[index], (int, float)) for row in body)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in body:
        table.add_row(*(Text("-" if value is None else str(value)) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width of its own; folding columns at 80 there would break what is grepped for.
        console.width = 240
    console.print(table)


def say_broker(plan: Plan) -> str:
    """Write the broker of a plan without its password, and why it is this one of several."""
    return redacted(plan.broker) + (f" ({plan.because})" if plan.because else "")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word a slip of the fingers is closest to, if one is close at all."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)
