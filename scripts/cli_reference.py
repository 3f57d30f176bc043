"""Write docs/reference/cli.md: every command with its arguments and options, from the commands themselves.

python scripts/cli_reference.py            write the page
python scripts/cli_reference.py --check    exit 1 if the page is not current
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from celeriac.cli.context import Project
from celeriac.cli.main import cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"

HEAD = """\
# Command line

Every command finds its plan by itself: the nearest `celeriac.toml` (or `pyproject.toml` with `[tool.celeriac]`)
here or in a folder above. `--plan`, `--env` and `-A` may stand before or after the command; `celeriac COMMAND
--help` prints what is said here.

Exit codes: 0 done; 1 it failed; 2 the plan or the command line is wrong; 3 the project is running already;
130 interrupted. Errors go to standard error, with a code that [errors.md](errors.md) lists.

This page is written from the source by `make docs`.
"""

#: said once, at the top
_EVERYWHERE = {"plan_path", "environment", "app_path", "app", "env", "plan", "help"}


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Walk a command and all below it, in the order of its help."""
    context = click.Context(command, info_name=path, obj=Project())
    if path != "celeriac":
        yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, f"{path} {name}")


def section(path: str, command: click.Command, context: click.Context) -> str:
    """One command as Markdown."""
    depth = "#" * (1 + path.count(" "))
    usage = f"{path} {' '.join(command.collect_usage_pieces(context))}"
    text = [f"\n{depth} {path}\n", f"\n```\n{usage}\n```\n", f"\n{_prose(command.help or '')}\n"]
    options = [each for each in command.params if isinstance(each, click.Option)]
    text.append(table([each for each in options if each.name not in _EVERYWHERE], context))
    return "".join(text)


def table(options: list[click.Option], context: click.Context) -> str:
    """Options as a Markdown table; nothing if there are none."""
    rows = [option_row(each, context) for each in options if not each.hidden]
    return "\n| option | |\n|---|---|\n" + "".join(rows) if rows else ""


def option_row(option: click.Option, context: click.Context) -> str:
    """One option as a line of a table."""
    record = option.get_help_record(context)
    assert record is not None
    flags, says = (re.sub(r"([<>|])", r"\\\1", part) for part in record)
    return f"| `{flags}` | {says} |\n"


def _prose(text: str) -> str:
    """Turn click's marks into Markdown: what stands after \\b is kept as it is."""
    parts = []
    for part in inspect.cleandoc(text).split("\n\n"):
        kept = part.startswith("\b\n")
        parts.append(f"```\n{part[2:]}\n```" if kept else part)
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    root = click.Context(cli, info_name="celeriac")
    everywhere = [each for each in cli.params if isinstance(each, click.Option)]
    return HEAD + table(everywhere, root) + "".join(section(*each) for each in commands(cli, "celeriac"))


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        if PAGE.exists() and PAGE.read_text() == page():
            return 0
        print("docs/reference/cli.md is not current: run `make docs`", file=sys.stderr)
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
