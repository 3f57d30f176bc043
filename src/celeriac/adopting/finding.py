"""Finding the Celery app of a project: by the command lines that start it, else by where one is made."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from celeriac.adopting.lines import CommandLine
from celeriac.errors import AdoptError

_SKIPPED = {"node_modules", "venv", "env", "site-packages", "__pycache__", "docs", "tests", "migrations"}
_FILES_MAX = 5000
_LARGEST_BYTES = 500_000


class AppPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where an app is: `root` is the folder it is imported from, `path` as for `celery -A`, `at` what says so."""

    root: Path
    path: str
    at: str


def find_app_place(folder: Path, named: str | None, lines: Sequence[CommandLine]) -> AppPlace:
    """Give the app that -A names, else the one that the command lines name, else the only one that is made.

    Raises: AdoptError ADOPT-001 if there is none, ADOPT-002 if there are several.
    """
    if named is not None:
        return AppPlace(root=_root_of(folder, named) or folder, path=named, at="-A")
    by_lines: dict[str, AppPlace] = {}
    for line in lines:
        root = _root_of(folder, line.app) if line.app else None
        if root is not None and line.app is not None:
            by_lines.setdefault(line.app, AppPlace(root=root, path=line.app, at=line.at))
    found = list(by_lines.values()) or list(_made(folder))
    if len(found) == 1:
        return found[0]
    if not found:
        raise AdoptError(
            "ADOPT-001",
            "no Celery app was found: no file starts `celery -A …`, and no module makes one.",
            at=str(folder),
            fix="name it with -A, as for `celery -A`, in the folder it is imported from",
        )
    raise AdoptError(
        "ADOPT-002",
        f"{len(found)} Celery apps were found.",
        at=str(folder),
        known=[f"-A {each.path} ({each.at})" for each in found],
        fix="name one of them with -A",
    )


def _root_of(folder: Path, app_path: str) -> Path | None:
    """Give the nearest folder from which the app's module can be imported."""
    module = app_path.partition(":")[0].split(".")
    tails = [Path(*module[:length]) for length in range(len(module), 0, -1)]
    for tail in tails:
        for candidate in (folder, *(each for each in _folders(folder))):
            if (candidate / tail).with_suffix(".py").is_file() or (
                candidate / tail / "__init__.py"
            ).is_file():
                return candidate
    return None


def _folders(folder: Path) -> Iterator[Path]:
    for level in ("*", "*/*", "*/*/*"):
        for each in sorted(folder.glob(level)):
            hidden = any(part.startswith(".") or part in _SKIPPED for part in each.relative_to(folder).parts)
            if each.is_dir() and not hidden:
                yield each


def _made(folder: Path) -> Iterator[AppPlace]:
    """Give the apps that modules make at their top level: `app = Celery(…)`, or by a function of the project's own."""
    for number, path in enumerate(sorted(folder.rglob("*.py"))):
        inside = path.relative_to(folder).parts
        if number > _FILES_MAX:
            return
        if (
            any(part in _SKIPPED or part.startswith(".") for part in inside)
            or path.stat().st_size > _LARGEST_BYTES
        ):
            continue
        try:
            tree = ast.parse(path.read_text(errors="replace"))
        except (SyntaxError, ValueError):
            continue
        for node in tree.body:
            if (
                isinstance(node, ast.Assign)
                and _makes_celery(node.value)
                and isinstance(node.targets[0], ast.Name)
            ):
                root = path.parent
                while (root / "__init__.py").exists() and root != folder:
                    root = root.parent
                module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
                where = f"{path.relative_to(folder)}:{node.lineno}"
                yield AppPlace(root=root, path=f"{module}:{node.targets[0].id}", at=where)


def _makes_celery(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    return name == "Celery" or (
        name != "celery"
        and "celery" in name.lower()
        and name.lower().startswith(("make", "create", "init", "get"))
    )
