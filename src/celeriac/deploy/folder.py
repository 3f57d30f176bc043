"""A folder of rendered files: written whole, compared, and never over what somebody changed by hand."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from celeriac.errors import DeployError

#: beside the files: target → path → SHA-256 of what was written there
LEDGER = ".celeriac-rendered.json"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What writing a folder did; paths are relative to it."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class RenderedFolder:
    """The files of one target in a folder, which may hold those of others as well."""

    def __init__(self, folder: Path, target: str) -> None:
        self._folder = folder
        self._target = target
        self._ledger = _read_ledger(folder / LEDGER)

    def differences(self, files: Mapping[str, str]) -> Iterator[str]:
        """Give the lines of a unified diff from what is on disk to the rendered files; none if all is as rendered."""
        for path in sorted({*files, *self._gone(files)}):
            old, new = self._on_disk(path), files.get(path)
            if old == new:
                continue
            yield from difflib.unified_diff(
                (old or "").splitlines(),
                (new or "").splitlines(),
                f"{path} (on disk)" if old is not None else "/dev/null",
                f"{path} (rendered)" if new is not None else "/dev/null",
                lineterm="",
            )

    def changed_by_hand(self, files: Mapping[str, str]) -> tuple[str, ...]:
        """List the files that writing would lose work in: on disk they are neither as last rendered nor as now."""
        return tuple(
            path for path in sorted({*files, *self._gone(files)}) if self._is_foreign(path, files.get(path))
        )

    def write(self, files: Mapping[str, str], *, force: bool = False) -> Written:
        """Write the files, and remove those that were rendered once and are no more.

        Raises: DeployError DEPLOY-002 if some were changed by hand, unless `force`; then nothing is written.
            DEPLOY-003 if the folder cannot be written.
        """
        by_hand = self.changed_by_hand(files)
        if by_hand and not force:
            raise DeployError(
                "DEPLOY-002",
                f"{len(by_hand)} file{'s were' if len(by_hand) > 1 else ' was'} changed by hand since the last time: "
                f"{', '.join(by_hand)}",
                at=str(self._folder),
                fix="move the change into the plan, look at it with --diff, or overwrite it with --force",
            )
        before = {path: self._on_disk(path) for path in files}
        gone = tuple(self._gone(files))
        try:
            for path, text in files.items():
                if before[path] != text:
                    _put(self._folder / path, text)
            for path in gone:
                (self._folder / path).unlink(missing_ok=True)
            self._ledger[self._target] = {path: _hash(text) for path, text in files.items()}
            _put(
                self._folder / LEDGER,
                msgspec.json.format(msgspec.json.encode(self._ledger), indent=2).decode() + "\n",
            )
        except OSError as error:
            raise DeployError(
                "DEPLOY-003",
                f"the files cannot be written: {error.strerror or error}",
                at=str(error.filename or self._folder),
                fix="name a folder that can be written with --output",
            ) from error
        return Written(
            new=tuple(path for path, old in before.items() if old is None),
            changed=tuple(path for path, old in before.items() if old is not None and old != files[path]),
            same=tuple(path for path, old in before.items() if old == files[path]),
            removed=gone,
        )

    def _gone(self, files: Mapping[str, str]) -> Iterator[str]:
        """The files rendered once that are rendered no more and still stand there."""
        for path in self._ledger.get(self._target, {}):
            if path not in files and (self._folder / path).is_file():
                yield path

    def _is_foreign(self, path: str, rendered: str | None) -> bool:
        found = self._on_disk(path)
        if found is None or found == rendered:
            return False
        return _hash(found) != self._ledger.get(self._target, {}).get(path)

    def _on_disk(self, path: str) -> str | None:
        try:
            return (self._folder / path).read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise DeployError(
                "DEPLOY-004",
                f"a file that stands in the way cannot be read: {error}",
                at=str(self._folder / path),
                fix="move it away, or name another folder with --output",
            ) from error


def _read_ledger(file: Path) -> dict[str, dict[str, str]]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, str]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise DeployError(
            "DEPLOY-005",
            f"the list of what was rendered here cannot be read: {error}",
            at=str(file),
            fix="remove it; every file that is not as rendered then counts as changed by hand",
        ) from error


def _put(file: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
