"""An inverted index over the library: which passage has which word, and how much that says."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parent / "library.txt"
#: words that say nothing about what a text is about
_STOP = frozenset(
    """
    about and are but can does for from had has have how its make made most not of on one out than that the them
    they this was what when where which who why with you your
    """.split()  # noqa: SIM905 - a list of them would be a page long
)
#: BM25's usual values: how soon a word counts no more for coming again, and how much long texts are held back
_K, _B = 1.5, 0.75


@dataclass(frozen=True)
class Passage:
    """A titled text of some sentences."""

    title: str
    text: str

    @property
    def slug(self) -> str:
        """Give its name in an address."""
        return self.title.lower().replace(" ", "-")

    @property
    def sentences(self) -> list[str]:
        """Give its sentences in order."""
        return re.split(r"(?<=[.?!]) ", self.text)


class Index:
    """The index of some passages."""

    def __init__(self, passages: list[Passage]) -> None:
        self.passages = passages
        self._words: dict[str, dict[int, int]] = defaultdict(dict)
        self._lengths: list[int] = []
        for number, passage in enumerate(passages):
            words = words_of(f"{passage.title} {passage.title} {passage.text}")
            self._lengths.append(len(words))
            for word, count in Counter(words).items():
                self._words[word][number] = count
        self._mean = sum(self._lengths) / len(self._lengths)

    def search(self, query: str) -> list[tuple[Passage, float]]:
        """Give the passages that share a word with `query`, with their scores, the best first.

        Source: Okapi BM25, as in Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        for word in set(words_of(query)):
            for number, count in self._words.get(word, {}).items():
                held_back = _K * (1 - _B + _B * self._lengths[number] / self._mean)
                scores[number] += self.weight(word) * count * (_K + 1) / (count + held_back)
        return [
            (self.passages[number], score) for number, score in sorted(scores.items(), key=lambda it: -it[1])
        ]

    def weight(self, word: str) -> float:
        """Say how much a word tells: a rare one much, one that every passage has nearly nothing, an unknown one 0."""
        having = len(self._words.get(word, ()))
        return math.log(1 + (len(self.passages) - having + 0.5) / (having + 0.5)) if having else 0.0


def words_of(text: str) -> list[str]:
    """Give the words that count, in lower case and without a plural's s."""
    found = re.findall(r"[a-z]{3,}", text.lower())
    return [word.removesuffix("s") if len(word) > 4 else word for word in found if word not in _STOP]


@cache
def library() -> Index:
    """Give the index of library.txt."""
    parts = LIBRARY.read_text().split("# ")[1:]
    return Index([Passage(*(each.strip() for each in part.split("\n", 1))) for part in parts])
