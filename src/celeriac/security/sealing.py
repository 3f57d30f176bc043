"""Sealing: a body that only holders of a key can read, and that opens only in the message it was sealed for.

AES-256-GCM. Each body has a key of its own, made of the ring's key and 24 random bytes that travel before the body:
however many are sealed, no key and nonce come twice. Source: XAES-256-GCM, c2sp.org/XAES-256-GCM, with HMAC-SHA256 in
place of its derivation.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence

from celeriac.errors import MessageRefused, SecurityError
from celeriac.security.keys import aead, name_of, read_key

_SALT_BYTES, _NONCE_BYTES = 16, 12
_PURPOSE = b"celeriac seal 1\0"


class KeyRing:
    """The keys of one app: all open, the first seals."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """keys: 32 bytes each, the newest first; at least one."""
        self._cipher = aead().AESGCM
        self._keys = {name_of(key): key for key in keys}
        self.newest = name_of(keys[0])

    def seal(self, body: bytes, bound: bytes) -> bytes:
        """Seal a body with the newest key. bound: what must be the same when it is opened."""
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        sealed: bytes = self._cipher(self._own_key(self.newest, salt)).encrypt(nonce, body, bound)
        return salt + nonce + sealed

    def open(self, name: object, sealed: bytes, bound: bytes) -> bytes:
        """Open a body that was sealed with the key of this name.

        Raises: MessageRefused if that key is not here, or the message is not as it was sealed.
        """
        if not isinstance(name, str) or name not in self._keys:
            shown = f'"{name[:40]}"' if isinstance(name, str) else "none that could be named"
            raise MessageRefused(
                "SEC-011",
                f"the message is sealed with the key {shown}, which is not among the keys here "
                f"({', '.join(self._keys)})",
                reason="unreadable",
                fix="add the key to those of this process, and replay the letter",
            )
        salt, nonce = sealed[:_SALT_BYTES], sealed[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES]
        try:
            body: bytes = self._cipher(self._own_key(name, salt)).decrypt(
                nonce, sealed[_SALT_BYTES + _NONCE_BYTES :], bound
            )
        # InvalidTag is no subclass of anything of Python's; too short a body is a ValueError.
        except Exception as error:
            raise MessageRefused(
                "SEC-012",
                "the seal is broken: a header or the body is not what was sent",
                reason="forged",
                fix="find out who can write to the broker; what was lost, its sender has to send again",
            ) from error
        return body

    def _own_key(self, name: str, salt: bytes) -> bytes:
        return hmac.digest(self._keys[name], _PURPOSE + salt, "sha256")


def read_ring(text: str) -> KeyRing:
    """Read keys parted by commas or spaces.

    Raises: SecurityError if there is none, or one is no key.
    """
    keys = [read_key(each, "[security].keys") for each in text.replace(",", " ").split()]
    if not keys:
        raise SecurityError(
            "SEC-001",
            "payloads are sealed, and there is no key here",
            at="[security].keys",
            fix="set the variable it names to what `celeriac keys new` prints, the same for all processes of the plan",
        )
    return KeyRing(keys)
