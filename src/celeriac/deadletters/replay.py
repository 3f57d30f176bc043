"""Replaying a letter: its message goes back to a queue, once per letter, however often and by whom it is asked.

The letter is claimed ("replaying"), published under the key `replay:<letter id>`, and settled ("replayed"). Who dies in
between leaves it "replaying". On the embedded broker, which stores one message per key, the next replay finishes it
and nothing is sent twice. Other brokers have no such key: there the letter is left alone until somebody has looked
whether the task was sent, and says `force`.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import psutil
from kombu.exceptions import EncodeError

from celeriac import events, wire
from celeriac.clock import SYSTEM, Clock
from celeriac.deadletters.call import JSON, Unreadable, call_of
from celeriac.deadletters.closed import closed, opened
from celeriac.deadletters.line import Line
from celeriac.errors import LetterError, QueueFull, SecurityError, redacted
from celeriac.records import Letter
from celeriac.security import guard_of

if TYPE_CHECKING:
    from celery import Celery

    from celeriac.records import Records

#: after this long a claim is taken over even if its holder may still live; a publish takes far less
CLAIM_HELD_S = 30.0
#: the embedded broker remembers keys for 30 days; this much of it is relied on
KEY_TRUSTED_S = 7 * 86400.0
#: surely not sent
_NOT_SENT = (QueueFull, EncodeError, SecurityError, TypeError, ValueError)


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A replay that was sent: of which letter, with which task id, to which queue."""

    letter: str
    task: str
    task_id: str | None
    queue: str


class Replayer:
    """Replays letters of one app over one kept connection."""

    def __init__(self, app: Celery, records: Records, clock: Clock = SYSTEM) -> None:
        self._app = app
        self._records = records
        self._clock = clock
        self._line = Line(app)

    def replay(self, letter_id: str, *, queue: str | None = None, force: bool = False) -> Replayed:
        """Send the letter's message once more and say where it went, once the broker has it.

        The task id stays, so that its chain, group, chord and AsyncResult stay whole; retries begin at 0 again, and the
        old eta and expiry are dropped.
        queue: another queue than the one it died on.
        force: on a broker without `celeriac-once`, also send a letter whose replay broke off in the middle.
        Raises: LetterError if there is no such letter, it is settled, cannot be read, or could not be sent.
        """
        letter = self.check(letter_id, force=force)
        target = queue or letter.replayed_to or letter.queue
        self._check_queue(letter, target)
        token = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex}"
        claimed = (
            self._records.claim(letter.id, token, target)
            if letter.state == "waiting"
            else self._records.take_over(letter.id, token, letter.claim)
        )
        if not claimed:
            raise self._lost(letter.id)
        # Read again: it may have been edited until the moment it was claimed.
        letter = found(self._records, letter.id)
        target = letter.replayed_to or target
        self._publish(letter, target, token)
        if not self._records.settle(letter.id, token):
            raise self._lost(letter.id)
        events.emit("deadletters", "letter.replayed", letter=letter.id, queue=target)
        return Replayed(letter=letter.id, task=letter.task or "", task_id=letter.task_id, queue=target)

    def check(self, letter_id: str, *, force: bool = False) -> Letter:
        """Give the letter if it can be replayed now.

        Raises: LetterError saying why not.
        """
        letter = found(self._records, letter_id)
        if letter.state in ("replayed", "discarded"):
            raise settled(letter)
        if letter.state == "replaying":
            self._check_claim(letter, force=force)
        try:
            call_of(letter, self._app.conf.accept_content, guard_of(self._app))
        except Unreadable as error:
            raise LetterError(
                "LETTER-006",
                f"letter {letter.id} cannot be replayed as it is: {error}.",
                fix=f"mend it: celeriac dead edit {letter.id[:8]} --task NAME --args '[…]' --kwargs '{{…}}'",
            ) from error
        return letter

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _check_claim(self, letter: Letter, *, force: bool) -> None:
        claimed_s = self._clock.wall() - (letter.claimed_at or 0.0)
        if claimed_s < CLAIM_HELD_S and not _is_gone(letter.claim):
            raise LetterError(
                "LETTER-004",
                f"letter {letter.id} is being replayed by somebody else right now.",
                fix=f"if that process is dead, replay again in {CLAIM_HELD_S:.0f} s",
            )
        if not force and not (self._line.keeps_once and claimed_s < KEY_TRUSTED_S):
            raise LetterError(
                "LETTER-005",
                f"the replay of letter {letter.id} broke off in the middle; its task may have been sent.",
                fix=f"look whether it ran (celeriac why {letter.task_id}); if not, replay it with --force",
            )

    def _check_queue(self, letter: Letter, queue: str) -> None:
        """Find out what would fail before anything is claimed."""
        if not queue:
            raise LetterError(
                "LETTER-007",
                f"letter {letter.id} does not say which queue it came from.",
                fix="name one with --queue",
            )
        try:
            is_there = self._line.has_queue(queue)
        except self._line.errors as error:
            raise LetterError(
                "LETTER-008",
                f"letter {letter.id} was not sent: the broker cannot be reached ({redacted(str(error))}).",
                fix="start the broker; the letter still waits",
            ) from error
        if not is_there:
            raise LetterError(
                "LETTER-009",
                f'the broker has no queue "{queue}".',
                fix="start a worker that reads it, or name another",
            )

    def _publish(self, letter: Letter, queue: str, token: str) -> None:
        try:
            message = self._renewed(letter)
            headers = message.headers
            if self._line.keeps_once:
                headers[wire.ONCE] = f"replay:{letter.id}"
            self._line.publish(
                message.body,
                queue=queue,
                headers=headers,
                properties=message.properties,
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                compression=headers.get("compression"),
            )
        except _NOT_SENT as error:
            self._records.release(letter.id, token)
            raise LetterError(
                "LETTER-010",
                f"letter {letter.id} was not sent: {redacted(str(error))}",
                fix="replay it again; it still waits",
            ) from error
        except self._line.errors as error:
            raise LetterError(
                "LETTER-011",
                f"the broker did not confirm the replay of letter {letter.id} ({redacted(str(error))}).",
                fix="replay it again once the broker is back",
            ) from error

    def _renewed(self, letter: Letter) -> Letter:
        """Give the letter with the message that a replay sends, sealed and signed anew where the app does so."""
        guard = guard_of(self._app)
        letter = opened(letter, guard) if guard is not None else letter
        headers, body = renewed(letter)
        fresh = msgspec.structs.replace(letter, headers=headers, body=body)
        return closed(fresh, guard) if guard is not None else fresh

    def _lost(self, letter_id: str) -> LetterError:
        """Word why somebody else was first."""
        letter = found(self._records, letter_id)
        if letter.state in ("replayed", "discarded"):
            return settled(letter)
        return LetterError(
            "LETTER-004",
            f"letter {letter.id} is being replayed by somebody else right now.",
            fix=f"if that process is dead, replay again in {CLAIM_HELD_S:.0f} s",
        )


def renewed(letter: Letter) -> tuple[dict[str, Any], bytes]:
    """Give headers and body of the message that a replay sends."""
    headers = {name: value for name, value in letter.headers.items() if name not in (wire.DEATH, wire.ONCE)}
    headers[wire.GENERATION] = wire.generation_of(headers) + 1
    headers[wire.LETTER] = letter.id
    # The old eta has passed, and with the old expiry the worker would throw the replay away.
    fresh: dict[str, Any] = {"retries": 0, "eta": None, "expires": None}
    if "task" in headers:
        headers.update(fresh)
        return headers, letter.body
    body = json.loads(letter.body) if letter.content_type == JSON else None
    if not isinstance(body, dict):
        return headers, letter.body
    return headers, json.dumps(body | fresh).encode()


def found(records: Records, letter_id: str) -> Letter:
    """Give the letter of that id.

    Raises: LetterError.
    """
    letter = records.get(letter_id)
    if letter is None:
        raise LetterError(
            "LETTER-001", f'there is no letter "{letter_id}".', fix="list them: celeriac dead list"
        )
    return letter


def settled(letter: Letter) -> LetterError:
    """Word that a letter is done with."""
    if letter.state == "replayed":
        return LetterError(
            "LETTER-002",
            f"letter {letter.id} was already replayed, to queue {letter.replayed_to}.",
            fix=f"see what became of it: celeriac why {letter.task_id}",
        )
    return LetterError(
        "LETTER-003", f"letter {letter.id} was discarded.", fix="it is kept: celeriac dead show"
    )


def _is_gone(claim: str | None) -> bool:
    """Whether the process that holds a claim is surely dead: it ran on this host, and no longer does."""
    if claim is None:
        return True
    host, _, rest = claim.partition(":")
    pid = rest.partition(":")[0]
    return host == socket.gethostname() and pid.isdigit() and not psutil.pid_exists(int(pid))
