"""Large data go by reference: stored aside as a file, named in the message.

A broker is made for many small messages. What is larger than LARGEST_BYTES travels as {"stored": NAME}; the name is
the digest of the content, so that a task that runs twice stores it once.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from src.config import load_config
from src.files import put

LARGEST_BYTES = 64 * 1024

Row = dict[str, Any]
#: rows, or the reference to them; what tasks take and give
Data = list[Row] | dict[str, str]

_NAME = re.compile(r"[0-9a-f]{64}\.json")


def aside() -> Path:
    """The folder of what is stored aside."""
    return load_config().data_folder / "aside"


def give(rows: list[Row]) -> Data:
    """Give the rows themselves if they are few, else store them and give their reference."""
    content = json.dumps(rows, allow_nan=False).encode()
    if len(content) <= LARGEST_BYTES:
        return rows
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    put(aside() / name, content)
    return {"stored": name}


def take(data: Data) -> list[Row]:
    """Give the rows, wherever they are.

    Raises: ValueError if the reference is none of ours; FileNotFoundError if it was cleaned up.
    """
    if isinstance(data, list):
        return data
    name = data.get("stored", "")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no reference")
    rows: list[Row] = json.loads((aside() / name).read_bytes())
    return rows
