"""A shelf: the folder of all books of a host, and the total that dead ones are folded into.

The total is a book too, with one entry ("folded", NAME) for each book that is in it already: it is replaced in one
rename, and only then the folded books are deleted. A fold that dies halfway is finished by the next, and nothing is
counted twice.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from celeriac.observe.samples.book import SUFFIX, Key, Values, content_of, is_kept, read_entries, whole

TOTAL = "total"
_FOLDED = "folded"
#: stands for every name beyond the bound
OTHER = "other"
#: label values that one family may have on one host
NAMES_MAX = 500
#: drafts of a process that died while it made its book
_DRAFT = ".draft"


class Shelf:
    """All books in `folder`, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> dict[Key, Values]:
        """Sum the books of all processes that ever counted here, folding those of dead ones.

        Raises: OSError if the folder cannot be read or written.
        """
        if not self.folder.is_dir():
            return {}
        with self._alone():
            total, folded = self._total()
            books = self._books()
            dead = [path for path in books if not is_kept(path)]
            sums = dict(total)
            for path in dead:
                if path.name not in folded:
                    _sum_into(sums, read_entries(content_of(path)))
            if dead:
                self._replace_total(sums, [path.name for path in dead])
                for path in dead:
                    path.unlink(missing_ok=True)
                self._sweep_drafts()
            for path in books:
                if path not in dead:
                    _sum_into(sums, read_entries(content_of(path)))
        return sums

    def books(self) -> int:
        """Count the books of processes, dead ones not yet folded included."""
        return len(self._books())

    def _books(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def _total(self) -> tuple[dict[Key, Values], set[str]]:
        path = self.folder / TOTAL
        entries = dict(read_entries(path.read_bytes())) if path.exists() else {}
        folded = {key[1] for key in entries if key[0] == _FOLDED}
        return {key: values for key, values in entries.items() if key[0] != _FOLDED}, folded

    def _replace_total(self, sums: dict[Key, Values], folded: Iterable[str]) -> None:
        draft = self.folder / f"{TOTAL}{_DRAFT}"
        draft.write_bytes(whole({**sums, **{(_FOLDED, name): (1.0,) for name in folded}}))
        draft.replace(self.folder / TOTAL)

    def _sweep_drafts(self) -> None:
        """Delete what processes left that died while they made their book."""
        for draft in self.folder.glob(f"*{_DRAFT}"):
            if not is_kept(draft):
                draft.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _sum_into(sums: dict[Key, Values], entries: Iterable[tuple[Key, Values]]) -> None:
    for key, values in entries:
        kept = _bounded(key, sums)
        before = sums.get(kept, ())
        # A histogram whose buckets another release has changed cannot be added; the newer one is kept.
        if len(before) == len(values):
            sums[kept] = tuple(a + b for a, b in zip(before, values, strict=True))
        else:
            sums[kept] = values


def _bounded(key: Key, sums: dict[Key, Values]) -> Key:
    """Give the key to count under: its own, or "other" for its first label where the family has too many."""
    if key in sums or len(key) < 2:
        return key
    names = {known[1] for known in sums if known[0] == key[0] and len(known) > 1}
    return key if key[1] in names or len(names) < NAMES_MAX else (key[0], OTHER, *key[2:])
