"""What keeps tasks from those who can reach the broker and are not of the team."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from celeriac.plan.marks import Secret


class Sender(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that may send tasks, known by its signature.

    key: its public key, as `celeriac keys new --sender` prints it; empty: nobody can be this sender yet.
    tasks: names, or globs over names, of the tasks it may send; those that follow in a chain or a chord count too.
    """

    key: str
    tasks: tuple[str, ...]


class Security(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sealed payloads, and which program may send which task; needs the extra `security`.

    keys: what payloads are sealed with, from `celeriac keys new`, the newest first, parted by commas; each opens, the
        first seals.
    encrypt: whether the payloads of all tasks are sealed; a policy's `encrypt` says otherwise for its own.
    senders: who may send what, by name; empty: whoever has the keys may send everything.
    sender: which of the senders this process is, by reference: "${CELERIAC_SENDER:-}".
    signing_key: its private key, by reference: "${CELERIAC_SIGNING_KEY:-}".
    unprotected: "refuse" sets aside what should be sealed or signed and is not; "accept" runs it, while a system
        changes over.
    """

    keys: Annotated[str, Secret()] = ""
    encrypt: bool = False
    senders: dict[str, Sender] = {}
    sender: str = ""
    signing_key: Annotated[str, Secret()] = ""
    unprotected: Literal["refuse", "accept"] = "refuse"

    def __repr__(self) -> str:
        """Say what it declares; plans are printed in logs and tracebacks, and keys must not be."""
        hidden = {"keys": "***" if self.keys else "", "signing_key": "***" if self.signing_key else ""}
        said = {**msgspec.structs.asdict(self), **hidden}
        return f"Security({', '.join(f'{name}={value!r}' for name, value in said.items())})"
