"""The Mandelbrot set as a grey PNG, in plain Python: honest work for one processor."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

#: a picture of detail 1; detail n is n times as wide and as high, and so n² times the work
WIDTH, HEIGHT = 64, 48


class View(NamedTuple):
    """What a picture shows: the centre and the width of a part of the complex plane."""

    x: float
    y: float
    width: float


def render(view: View, detail: int) -> bytes:
    """Render a picture of 64·detail by 48·detail pixels as PNG.

    Raises: ValueError if `detail` is not between 1 and 40.
    """
    if not 1 <= detail <= 40:
        raise ValueError(f"detail is {detail}, and must be between 1 and 40")
    # A deeper zoom needs more steps before a point may be taken for one of the set.
    steps = 60 + int(40 / view.width) if view.width < 1 else 60
    return _png(WIDTH * detail, HEIGHT * detail, _rows(view, detail, min(steps, 250)))


def _rows(view: View, detail: int, steps: int) -> Iterator[bytes]:
    columns, lines = WIDTH * detail, HEIGHT * detail
    pixel = view.width / columns
    left, top = view.x - pixel * columns / 2, view.y + pixel * lines / 2
    for line in range(lines):
        imaginary = top - line * pixel
        yield bytes(_shade(complex(left + column * pixel, imaginary), steps) for column in range(columns))


def _shade(point: complex, steps: int) -> int:
    """Give 0 for a point of the set, else the brighter the longer it takes to leave."""
    z = 0j
    for step in range(steps):
        z = z * z + point
        if z.real * z.real + z.imag * z.imag > 4.0:
            return int(40 + 215 * (step / steps) ** 0.5)
    return 0


def _png(width: int, height: int, rows: Iterator[bytes]) -> bytes:
    """Source: the PNG specification, https://www.w3.org/TR/png-3/, for 8 bit grey without filters."""
    pixels = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(pixels)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
