"""Command lines: how a project starts its workers and beats, as its Compose files, scripts and units say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
from celery.bin.beat import beat
from celery.bin.worker import worker

_NAMES = ("Procfile", "Makefile", "Dockerfile", "start", "run", "justfile", "entrypoint")
_ENDINGS = (".sh", ".yml", ".yaml", ".conf", ".service", ".ini", ".toml", ".json", ".mk", ".bash")
_SKIPPED = {
    "node_modules",
    "venv",
    "env",
    "site-packages",
    "__pycache__",
    "docs",
    "tests",
    "test",
    "build",
    "dist",
}
_LARGEST_BYTES = 200_000
_FILES_MAX = 4000
#: from `celery` to the end of what a shell, a YAML list or a quoted string holds
_CALL = re.compile(
    r"""\bcelery(?:\.__main__\.main\s+--args\s+)?["',\s]+(?P<rest>[^|&;>#\n]*\b(?:worker|beat)\b[^|&;>#\n]*)"""
)
_VARIABLE = re.compile(r"\$\{?\{?[A-Za-z_][^}\s]*\}?\}?")


class CommandLine(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a project starts Celery.

    kind: "worker" or "beat"; app: what -A says. options: by Celery's own names, as texts; flags are "".
    at: file and line.
    """

    kind: str
    app: str | None
    options: dict[str, str]
    at: str


def command_lines(folder: Path) -> list[CommandLine]:
    """Give the workers and beats that the files of a project start, each different one once."""
    found: dict[tuple[object, ...], CommandLine] = {}
    for path in _files(folder):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        # A line that ends in a backslash goes on; the number of the first is what people look for.
        joined = re.sub(r"\\\n", lambda _: "  ", text)
        for number, line in enumerate(joined.splitlines(), start=1):
            for line_found in _read(line, f"{path.relative_to(folder)}:{number}"):
                key = (line_found.kind, line_found.app, tuple(sorted(line_found.options.items())))
                found.setdefault(key, line_found)
    return list(found.values())


def _files(folder: Path) -> Iterator[Path]:
    count = 0
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(part in _SKIPPED or (part.startswith(".") and part != ".") for part in parts[:-1]):
            continue
        is_named = path.name.startswith(_NAMES) or path.suffix in _ENDINGS
        if is_named and path.is_file() and path.stat().st_size <= _LARGEST_BYTES:
            count += 1
            if count > _FILES_MAX:
                return
            yield path


def _read(line: str, at: str) -> Iterator[CommandLine]:
    if line.lstrip().startswith("#"):
        return
    for call in _CALL.finditer(line):
        text = call["rest"].replace('", "', " ").replace("', '", " ").replace('","', " ")
        try:
            words = shlex.split(re.sub(r"""["'\]\[,]+(?=\s|$)|^["'\[]+""", " ", text))
        except ValueError:
            words = text.split()
        kinds = [word for word in words if word in ("worker", "beat")]
        if not kinds:
            continue
        at_kind = words.index(kinds[0])
        own = _parse(words[at_kind + 1 :], kinds[0])
        app = _said(words[:at_kind], "-A", "--app") or _said(words[at_kind + 1 :], "-A", "--app")
        yield CommandLine(kind=kinds[0], app=app, options=own, at=at)


def _parse(words: list[str], kind: str) -> dict[str, str]:
    """Read the options that Celery's own command declares, and leave out what it does not know."""
    declared: dict[str, tuple[str, bool]] = {}
    for option in (worker if kind == "worker" else beat).params:
        is_flag = bool(getattr(option, "is_flag", False) or getattr(option, "count", False))
        declared.update(dict.fromkeys(option.opts, (str(option.name), is_flag)))
    read: dict[str, str] = {}
    following = iter(words)
    for word in following:
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") and len(flag) > 2 and flag[:2] in declared:
            flag, equals, value = word[:2], "=", word[2:].removeprefix("=")
        if flag not in declared:
            continue
        name, is_flag = declared[flag]
        read[name] = "" if is_flag else value if equals else next(following, "")
    # What a variable says is not known here.
    return {name: value for name, value in read.items() if not _VARIABLE.search(value)}


def _said(words: list[str], short: str, long: str) -> str | None:
    for at, word in enumerate(words):
        if word.startswith(f"{long}="):
            return word.partition("=")[2]
        if word in (short, long) and at + 1 < len(words):
            return words[at + 1]
        if word.startswith(short) and len(word) > len(short) and not word.startswith("--"):
            return word[len(short) :]
    return None
