"""Decompression that stops: a small message must not unpack into all of a worker's memory.

kombu unpacks a message before anyone may look at it, with the functions of its registry, so bounded ones are
registered there. What exceeds the bound cannot be decoded, and becomes a letter with its body still packed.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from kombu import compression
from kombu.exceptions import DecodeError

#: of an unpacked body
LIMIT_BYTES = 128 * 1024 * 1024

_OPENERS: dict[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
}


def bound_decompression(limit_bytes: int = LIMIT_BYTES) -> None:
    """Register bounded decompression for the formats of the standard library, instead of kombu's own."""
    for content_type, opener in _OPENERS.items():
        encoder, _ = compression.get_encoder(content_type)
        compression.register(encoder, _bounded(opener, limit_bytes), content_type)


def _bounded(opener: Callable[[], Any], limit_bytes: int) -> Callable[[bytes], bytes]:
    def decompress(packed: bytes) -> bytes:
        unpacker = opener()
        body: bytes = unpacker.decompress(packed, limit_bytes + 1)
        if len(body) > limit_bytes:
            raise DecodeError(f"the body unpacks to more than {limit_bytes} bytes")
        if not unpacker.eof:
            raise DecodeError("the packed body is cut off")
        return body

    return decompress
