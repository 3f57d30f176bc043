"""The guard of an app: seals and signs what leaves, opens what comes, and refuses what it must not let in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from kombu.compression import compress, decompress
from kombu.serialization import dumps, loads, prepare_accept_content

from celeriac import wire
from celeriac.errors import MessageRefused, SecurityError
from celeriac.plan import Policy, Security
from celeriac.security.bound import bound
from celeriac.security.calls import tasks_of
from celeriac.security.sealing import KeyRing, read_ring
from celeriac.security.signing import Identity, Roster, identity_of

CONTENT_TYPE = "application/x-celeriac-sealed"
#: what stands for the arguments of a sealed task wherever they are shown
HIDDEN = "(sealed)"


class Encoded(NamedTuple):
    """A body and what it is. compression: by what it is still to be packed."""

    body: Any
    content_type: str
    content_encoding: str
    compression: str | None


class Received(NamedTuple):
    """A message as it came, before it was opened: what a letter of it holds."""

    body: Any
    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any]


def as_received(message: Any) -> Any:
    """Give what a message was before it was opened; the message itself if it was not."""
    return getattr(message, "celeriac_received", message)


class Guard:
    """Closes and opens the messages of one app. Keys are read when they are first needed.

    policy_of: gives the policy of a task by its name. accept: gives the content types that may be decoded.
    """

    def __init__(
        self, security: Security, policy_of: Callable[[str], Policy], accept: Callable[[], Any]
    ) -> None:
        self._security = security
        self._policy_of = policy_of
        self._accept = accept

    @cached_property
    def _ring(self) -> KeyRing:
        return read_ring(self._security.keys)

    @cached_property
    def _roster(self) -> Roster | None:
        return Roster(self._security) if self._security.senders else None

    @cached_property
    def _identity(self) -> Identity | None:
        return identity_of(self._security, self._roster) if self._roster is not None else None

    def prove(self) -> None:
        """See that this process has the keys it needs to run tasks, and to send what follows from them.

        Raises: SecurityError.
        """
        if self._security.encrypt or self._security.keys:
            _ = self._ring
        _ = self._identity

    def hides(self, name: str) -> bool:
        """Say whether the payload of a task is sealed by its own policy."""
        encrypt = self._policy_of(name).encrypt
        return self._security.encrypt if encrypt is None else encrypt

    def conceal(self, name: str, message: Any) -> None:
        """Take what shows the arguments out of a message of Celery's, if its body will be sealed.

        message: headers, properties, body and the event that tells of it, as `create_task_message` gives them.
        """
        headers, _, body, event = message
        if "task" in headers and any(map(self.hides, tasks_of(name, body))):
            headers.update(argsrepr=HIDDEN, kwargsrepr=HIDDEN)
            if event:
                event.update(args=HIDDEN, kwargs=HIDDEN)

    def close(
        self,
        body: Any,
        headers: dict[str, Any],
        properties: Mapping[str, Any],
        *,
        serializer: str | None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        compression: str | None = None,
    ) -> Encoded:
        """Encode, seal and sign a task that is about to leave; its headers must not be changed any more.

        body: args, kwargs and what follows, as Celery gives them to a producer.
        Raises: SecurityError if this process has no key, or may not send that.
        """
        if "task" not in headers:
            raise SecurityError(
                "SEC-007",
                "tasks are to be sealed or signed, and the app sends them in Celery's old message protocol",
                fix="remove task_protocol from its settings",
            )
        tasks = self._tasks_of(headers, body)
        if content_type:
            encoding = content_encoding or ("utf-8" if isinstance(body, str) else "binary")
            encoded = body.encode(encoding) if isinstance(body, str) else body
        else:
            content_type, encoding, encoded = dumps(body, serializer=serializer)
        plain = encoded.encode(encoding) if isinstance(encoded, str) else bytes(encoded)
        return self._closed(tasks, Encoded(plain, content_type, encoding, compression), headers, properties)

    def open(self, message: Any) -> None:
        """Open a kombu message of a task in its place; `as_received` gives it as it came.

        Raises: MessageRefused if it must not be run; then it is as it came.
        """
        received = Received(
            message.body, message.content_type, message.content_encoding, message.headers, message.properties
        )
        opened = self.opened(received)
        if opened is not received:
            message.body, message.content_type, message.content_encoding, message.headers, _ = opened
            message.celeriac_received = received

    def opened(self, received: Received) -> Received:
        """Give a task's message opened, for those who show, mend or replay it.

        Raises: MessageRefused if it must not be run.
        """
        if not isinstance(received.headers.get("task"), str):
            self._meet_stranger("its message protocol is too old to be sealed or signed")
            return received
        opened, sender = self._opened(received)
        self._judge(opened, sender, was_sealed=wire.SEALED in received.headers)
        return opened

    def closed(self, plain: Received) -> Received:
        """Give an opened message closed anew, by this process, with the headers it has now.

        Raises: SecurityError if this process has no key, or may not send that.
        """
        if "task" not in plain.headers:
            return plain
        headers = _without_marks(plain.headers)
        tasks = self._tasks_of(headers, self._decoded(plain))
        encoded = Encoded(
            _octets(plain.body), plain.content_type or "", plain.content_encoding or "binary", None
        )
        done = self._closed(tasks, encoded, headers, plain.properties)
        return Received(done.body, done.content_type, done.content_encoding, headers, plain.properties)

    def _tasks_of(self, headers: dict[str, Any], body: Any) -> list[str]:
        for mark in (wire.SEALED, wire.SIGNED):
            headers.pop(mark, None)
        return list(dict.fromkeys(tasks_of(headers["task"], body)))

    def _closed(
        self, tasks: list[str], plain: Encoded, headers: dict[str, Any], properties: Mapping[str, Any]
    ) -> Encoded:
        closed = plain
        if any(map(self.hides, tasks)):
            ring, body, packed = self._ring, plain.body, None
            if plain.compression:
                body, packed = compress(body, plain.compression)
            headers[wire.SEALED] = {
                "key": ring.newest,
                "type": plain.content_type,
                "encoding": plain.content_encoding,
                "packed": packed,
            }
            closed = Encoded(ring.seal(body, bound(headers, properties)), CONTENT_TYPE, "binary", None)
        if self._roster is not None and self._identity is not None:
            forbidden = self._roster.first_forbidden(self._identity.name, tasks)
            if forbidden is not None:
                raise SecurityError(
                    "SEC-006",
                    f'the sender "{self._identity.name}" may not send {forbidden}',
                    at=f"[security.senders.{self._identity.name}].tasks",
                    fix="let it, or send that from a program that may",
                )
            headers[wire.SIGNED] = self._identity.sign(closed.body, bound(headers, properties))
        return closed

    def _opened(self, received: Received) -> tuple[Received, str | None]:
        """Open a message, and name who has signed it; None if nobody had to."""
        headers, octets = received.headers, _octets(received.body)
        sender = None
        if self._roster is not None and not (wire.SIGNED not in headers and self._accepts_strangers):
            sender = self._roster.signer_of(headers.get(wire.SIGNED), octets, _bound(received))
        sealed = headers.get(wire.SEALED)
        if sealed is None:
            return received._replace(headers=_without_marks(headers)) if sender else received, sender
        said: Mapping[str, Any] = sealed if isinstance(sealed, dict) else {}
        plain = self._ring.open(said.get("key"), octets, _bound(received))
        if said.get("packed"):
            plain = decompress(plain, said["packed"])
        return Received(
            plain, said.get("type"), said.get("encoding"), _without_marks(headers), received.properties
        ), sender

    def _judge(self, opened: Received, sender: str | None, *, was_sealed: bool) -> None:
        tasks = list(tasks_of(opened.headers["task"], self._decoded(opened)))
        if self._roster is not None and sender is not None:
            forbidden = self._roster.first_forbidden(sender, tasks)
            if forbidden is not None:
                raise MessageRefused(
                    "SEC-015",
                    f'the sender "{sender}" may not send {forbidden}',
                    reason="forbidden",
                    fix="let it, in [security.senders], and replay the letter",
                )
        if not was_sealed and any(map(self.hides, tasks)):
            self._meet_stranger("it is not sealed")

    def _meet_stranger(self, why: str) -> None:
        if not self._accepts_strangers:
            raise MessageRefused(
                "SEC-010",
                f"the message did not come from a program of this plan: {why}",
                reason="forged",
                fix='give its sender the plan and its keys, or write unprotected = "accept" while you change over',
            )

    @property
    def _accepts_strangers(self) -> bool:
        return self._security.unprotected == "accept"

    def _decoded(self, message: Received) -> Any:
        """Decode a body, to see where it leads; what cannot be decoded leads nowhere, and is never run."""
        try:
            accept = prepare_accept_content(self._accept())
            return loads(message.body, message.content_type, message.content_encoding, accept)
        except Exception:  # whatever a decoder raises: the worker's own check says it
            return None


def _octets(body: Any) -> bytes:
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body or b"")


def _bound(received: Received) -> bytes:
    try:
        return bound(received.headers, received.properties)
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageRefused(
            "SEC-016", f"its headers are not those of a task ({error!r:.200})", reason="forged"
        ) from error


def _without_marks(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: it for name, it in headers.items() if name not in (wire.SEALED, wire.SIGNED)}
