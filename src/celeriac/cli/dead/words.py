"""How a letter looks on a terminal, whatever is in it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli.output import print_table, say_age

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celeriac.control.letters import LetterView
    from celeriac.records import Letter

_ERROR_CHARS = 72
_VALUE_CHARS = 4000


def print_document(document: Any) -> None:
    """Print plain JSON; text that is no valid Unicode is escaped, as JSON can."""
    click.echo(json.dumps(document, indent=2, default=str))


def plain(text: object) -> str:
    """Make text safe for a terminal: what controls it is shown, not obeyed."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def on_one_line(text: str, chars: int) -> str:
    """Shorten text to its first line, and that to `chars` characters."""
    line = plain(text.partition("\n")[0])
    return line if len(line) <= chars else line[: chars - 1] + "…"


def error_of(letter: Letter) -> str:
    """Say in one line what the task died of."""
    name = (letter.exception or "").rpartition(".")[2]
    return on_one_line(": ".join(part for part in (name, letter.message) if part), _ERROR_CHARS)


def print_letters(letters: Iterable[Letter]) -> None:
    """Print a table of letters."""
    now = time.time()
    print_table(
        ["letter", "died", "state", "reason", "task", "queue", "runs", "error"],
        [
            (
                plain(letter.id[:8]),
                f"{say_age(now - letter.died_at)} ago",
                letter.state,
                plain(letter.reason),
                None if letter.task is None else plain(letter.task),
                plain(letter.queue),
                letter.attempts,
                error_of(letter),
            )
            for letter in letters
        ],
    )


def print_letter(view: LetterView) -> None:
    """Print all of one letter that people want to see."""
    letter = view.letter
    facts: dict[str, object] = {
        "letter": letter.id,
        "state": letter.state + (f", to queue {letter.replayed_to}" if letter.replayed_to else ""),
        "reason": letter.reason,
        "task": letter.task,
        "task id": letter.task_id,
        "queue": letter.queue,
        "died": f"{_moment(letter.died_at)} ({say_age(time.time() - letter.died_at)} ago)",
        "runs": letter.attempts,
        "worker deaths": letter.deliveries or None,
        "on": " ".join(part for part in (letter.worker, letter.host and f"({letter.host})") if part) or None,
        "edited": letter.edited_at and _moment(letter.edited_at),
        "replayed": letter.replayed_at and _moment(letter.replayed_at),
        "discarded": letter.discarded_at and _moment(letter.discarded_at),
        "replay of": letter.replay_of,
        "died again as": ", ".join(view.children) or None,
        "group": letter.group_id,
        "parent": letter.parent_id,
        "root": letter.root_id if letter.root_id != letter.task_id else None,
    }
    for name, value in facts.items():
        if value is not None:
            click.echo(f"{name:<14} {plain(value)}")
    if view.call is None:
        click.echo(f"{'message':<14} cannot be read: {plain(view.unreadable)}")
        click.echo(f"{'body':<14} {_cut(plain(repr(letter.body)))}")
    else:
        for index, value in enumerate(view.call.args):
            click.echo(f"{f'args.{index}':<14} {_json(value)}")
        for name, value in view.call.kwargs.items():
            click.echo(f"{plain(f'kwargs.{name}'):<14} {_json(value)}")
        for name, value in view.call.embed.items():
            if value:
                click.echo(f"{plain(name):<14} {_json(value)}")
    error = ": ".join(part for part in (letter.exception, letter.message) if part)
    if letter.traceback or error:
        click.echo()
        click.echo(plain(letter.traceback or error).rstrip())


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))


def _json(value: Any) -> str:
    return _cut(plain(json.dumps(value, ensure_ascii=False)))


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= _VALUE_CHARS
        else f"{text[:_VALUE_CHARS]}… ({len(text)} characters; --json shows all)"
    )
