"""Keys: 32 bytes each, written in base64 for URLs; what makes, reads and names them."""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from celeriac.errors import SecurityError

_KEY_BYTES = 32
#: characters of the name by which a message says what it was sealed with
_NAME_CHARS = 12


def new_key() -> str:
    """Make a key that seals payloads."""
    return written(os.urandom(_KEY_BYTES))


def new_signing_pair() -> tuple[str, str]:
    """Make the key of a sender: the private half, which signs, and the public one, which the plan names."""
    private = ed25519().Ed25519PrivateKey.generate()
    return written(private.private_bytes_raw()), written(private.public_key().public_bytes_raw())


def written(key: bytes) -> str:
    """Write a key as text."""
    return urlsafe_b64encode(key).decode()


def read_key(text: str, where: str) -> bytes:
    """Read a key.

    Raises: SecurityError, which does not show what was read.
    """
    try:
        key = urlsafe_b64decode(text.strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SecurityError(
            "SEC-002",
            f"{where} holds something that is no key.",
            fix="make one: celeriac keys new",
        )
    return key


def name_of(key: bytes) -> str:
    """Name a key, by what tells nothing of it."""
    return hashlib.sha256(b"celeriac key name\0" + key).hexdigest()[:_NAME_CHARS]


def aead() -> Any:
    """Give the module of authenticated ciphers. Raises: SecurityError if `cryptography` is not installed."""
    try:
        from cryptography.hazmat.primitives.ciphers import aead as module  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise _not_installed() from error
    return module


def ed25519() -> Any:
    """Give the module of signatures. Raises: SecurityError if `cryptography` is not installed."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519 as module  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise _not_installed() from error
    return module


def _not_installed() -> SecurityError:
    return SecurityError(
        "SEC-003",
        'tasks are to be sealed or signed, but there is no module "cryptography"',
        at="[security]",
        fix="pip install 'celeriac[security]'",
    )
