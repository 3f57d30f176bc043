"""Embeddings: documents become vectors, so that those about the same lie close together."""

from __future__ import annotations

import re
import zlib
from collections import Counter

import numpy as np
from celery import shared_task
from numpy.typing import NDArray

from app.core.rows import rows

DIMENSIONS = 512
Vector = NDArray[np.float32]


@shared_task
def embed(document: str, text: str) -> int:
    """Store the vector of a document under its name, and say how many different words it has."""
    words = Counter(words_of(text))
    with rows() as db:
        db.execute(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (document, text, vector_of(words).tobytes())
        )
    return len(words)


def nearest(text: str, limit: int = 3) -> list[tuple[str, float]]:
    """Give the stored documents closest to `text`, with the cosine between them."""
    with rows() as db:
        stored = db.execute("SELECT document, vector FROM vectors").fetchall()
    wanted = vector_of(Counter(words_of(text)))
    found = [(document, float(np.frombuffer(raw, np.float32) @ wanted)) for document, raw in stored]
    return sorted(found, key=lambda it: -it[1])[:limit]


def vector_of(words: Counter[str]) -> Vector:
    """Hash word counts into a vector of length 1.

    Source: "Feature Hashing for Large Scale Multitask Learning", Weinberger et al., 2009: one hash gives the place,
    another the sign, so that words which meet in a place cancel out on average.
    """
    vector = np.zeros(DIMENSIONS, np.float32)
    for word, count in words.items():
        raw = word.encode()
        sign = 1 if zlib.adler32(raw) & 1 else -1
        vector[zlib.crc32(raw) % DIMENSIONS] += sign * (1 + np.log(count))
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


def words_of(text: str) -> list[str]:
    """Give the words of a text, in lower case, without those of one or two letters."""
    return re.findall(r"[a-z]{3,}", text.lower())
