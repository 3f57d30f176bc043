"""Signing: who sent a message, proved by Ed25519, and which tasks a sender may send."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from celeriac.errors import MessageRefused, SecurityError
from celeriac.plan import Security
from celeriac.security.keys import ed25519, read_key

_PURPOSE = b"celeriac signature 1\0"


def statement(sender: str, body: bytes, bound: bytes) -> bytes:
    """Write what is signed: who says it, and digests of all that is held fast."""
    parts = (sender.encode(), hashlib.sha256(body).digest(), hashlib.sha256(bound).digest())
    return _PURPOSE + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class Identity:
    """The sender that this process is."""

    def __init__(self, name: str, private: bytes) -> None:
        self.name = name
        self._key = ed25519().Ed25519PrivateKey.from_private_bytes(private)

    @property
    def public(self) -> bytes:
        """Its public key."""
        key: bytes = self._key.public_key().public_bytes_raw()
        return key

    def sign(self, body: bytes, bound: bytes) -> dict[str, str]:
        """Give the header of a message with this body."""
        signature = self._key.sign(statement(self.name, body, bound))
        return {"by": self.name, "signature": b64encode(signature).decode()}


class Roster:
    """The senders of a plan."""

    def __init__(self, security: Security) -> None:
        make = ed25519().Ed25519PublicKey.from_public_bytes
        self._keys = {
            name: make(read_key(sender.key, f"[security.senders.{name}].key"))
            for name, sender in security.senders.items()
            if sender.key
        }
        self._tasks = {name: sender.tasks for name, sender in security.senders.items()}

    def signer_of(self, header: object, body: bytes, bound: bytes) -> str:
        """Name the sender that has signed a message.

        Raises: MessageRefused if nobody has whom the plan knows.
        """
        said: Mapping[str, Any] = header if isinstance(header, dict) else {}
        name, signature = said.get("by"), said.get("signature")
        if not isinstance(name, str) or not isinstance(signature, str):
            raise MessageRefused(
                "SEC-013",
                "the message is not signed",
                reason="forged",
                fix="give its sender CELERIAC_SENDER and CELERIAC_SIGNING_KEY, or find out who can write to the broker",
            )
        try:
            self._keys[name].verify(b64decode(signature, validate=True), statement(name, body, bound))
        # Unknown, no base64, or InvalidSignature, which is no subclass of anything of Python's.
        except Exception as error:
            raise MessageRefused(
                "SEC-014",
                f'the message is not what the sender "{name[:80]}" has signed, or the plan does not know them',
                reason="forged",
                fix="find out who can write to the broker; a sender with a new key: declare its public half",
            ) from error
        return name

    def first_forbidden(self, sender: str, tasks: Iterable[str]) -> str | None:
        """Name the first of these tasks that the sender may not send."""
        globs = self._tasks[sender]
        return next((task for task in tasks if not any(fnmatchcase(task, glob) for glob in globs)), None)


def identity_of(security: Security, roster: Roster) -> Identity:
    """Say which sender this process is.

    Raises: SecurityError if it is told nothing, or its key is not that of the sender it is told to be.
    """
    name = security.sender
    if not name or not security.signing_key:
        raise SecurityError(
            "SEC-004",
            "the plan declares who may send tasks, and this process does not say who it is",
            at="[security].sender and signing_key",
            known=tuple(security.senders),
            fix="set CELERIAC_SENDER to a sender's name and CELERIAC_SIGNING_KEY to its private key",
        )
    identity = Identity(name, read_key(security.signing_key, "[security].signing_key"))
    declared = security.senders.get(name)
    if (
        declared is None
        or not declared.key
        or read_key(declared.key, f"[security.senders.{name}].key") != identity.public
    ):
        raise SecurityError(
            "SEC-005",
            f'the signing key here is not that of the sender "{name}" in the plan',
            at="[security].signing_key",
            known=tuple(security.senders),
            fix="give this process the private key whose public half the plan names, or declare the new one",
        )
    return identity
