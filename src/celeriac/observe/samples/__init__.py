"""Counts that outlive the processes which made them.

Each process that counts writes to a book of its own, a small memory-mapped file, so that counting takes a microsecond,
needs no lock between processes, and what was counted survives a kill -9 of the counter. Whoever reads sums the books of
all processes; the books of dead ones are folded into one total, once each, whatever dies in between.
"""

from __future__ import annotations

from celeriac.observe.samples.book import Book, Key, Values
from celeriac.observe.samples.shelf import Shelf

__all__ = ["Book", "Key", "Shelf", "Values"]
