"""Putting a task that failed for good into the letters queue, before its message is acked."""

from __future__ import annotations

import socket
import traceback as tracebacks
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kombu.entity import Exchange, Queue

from celeriac import events, wire
from celeriac.clock import SYSTEM, Clock
from celeriac.deadletters.letter import body_bytes, letter_id_of, said_of, unproven_letter_id
from celeriac.deadletters.line import Line
from celeriac.security import as_received

if TYPE_CHECKING:
    from celery import Celery

TRACEBACK_BYTES_MAX = 64 * 1024
MESSAGE_BYTES_MAX = 8 * 1024
_CUT = "\n… (cut) …\n"


class LetterPost:
    """The way into the letters queue: `celeriac.tasks` captures through it. Thread-safe and fork-safe."""

    def __init__(self, app: Celery, queue: str, *, clock: Clock = SYSTEM, patience_s: float = 5.0) -> None:
        """queue: the letters queue; patience_s: how long a capture keeps trying while the broker is gone."""
        self._queue = letters_queue(app, queue)
        self._clock = clock
        self._line = Line(app, patience_s)

    def capture(
        self,
        message: Any,
        *,
        reason: str,
        queue: str,
        exception: BaseException | str | None = None,
        kind: type[BaseException] | None = None,
        traceback: TracebackType | str | None = None,
        attempts: int = 1,
        deliveries: int = 0,
        worker: str = "",
    ) -> str:
        """Publish the message as a letter and give the letter's id, once the broker has confirmed it.

        message: the kombu message, body still encoded.
        reason: one of `celeriac.wire.REASONS`.
        queue: the queue it was read from, where a replay will put it.
        exception: what was raised; traceback: its traceback, taken from the exception if not given.
        kind: the class that was raised, where `exception` is only of a base of it.
        attempts: runs of this message and of its retries.
        Raises: the broker's error; then the letter is not confirmed and the original must not be acked.
        """
        # Sealed and signed as it was: a letter shows no more than its message did.
        message = as_received(message)
        headers = dict(message.headers or {})
        body = body_bytes(message.body)
        spoken = said_of(headers, body, message.content_type)
        letter = letter_id_of(message, headers, spoken)
        if reason in wire.UNPROVEN:
            letter = unproven_letter_id(letter, reason, headers, body)
        headers[wire.DEATH] = {
            "letter": letter,
            "reason": reason,
            "queue": queue,
            "attempts": attempts,
            "deliveries": deliveries,
            "host": socket.gethostname(),
            "worker": worker,
            "died_at": self._clock.wall(),
            **_words(exception, kind, traceback),
        }
        # A body that was readable reached us decompressed.
        compression = None if getattr(message, "errors", None) else headers.get("compression")
        self._line.publish(
            body,
            queue=self._queue.name,
            headers=headers,
            properties=message.properties or {},
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            compression=compression,
            declare=self._queue,
        )
        events.emit(
            "deadletters",
            "letter.written",
            task=spoken.task,
            task_id=spoken.task_id,
            letter=letter,
            reason=reason,
        )
        return letter

    def close(self) -> None:
        """Hang up; the next capture connects again."""
        self._line.close()


def letters_queue(app: Celery, queue: str) -> Queue:
    """Say what the letters queue is, alike wherever it is used; a quorum queue where the app's own are."""
    arguments = {"x-queue-type": "quorum"} if app.conf.task_default_queue_type == "quorum" else None
    return Queue(queue, Exchange(""), routing_key=queue, durable=True, queue_arguments=arguments)


def _words(
    exception: BaseException | str | None,
    kind: type[BaseException] | None,
    traceback: TracebackType | str | None,
) -> dict[str, str]:
    """Word what was raised, bounded, and without the values of local variables."""
    words: dict[str, str] = {}
    if isinstance(exception, BaseException):
        # billiard sends exceptions between processes in a wrapper.
        exception = getattr(exception, "exc", exception) if hasattr(exception, "tb") else exception
        raised = kind or type(exception)
        words["exception"] = f"{raised.__module__}.{raised.__qualname__}"
        words["message"] = _said_by(exception)
        traceback = traceback if traceback is not None else exception.__traceback__
    elif exception:
        words["message"] = exception
    if isinstance(traceback, TracebackType):
        traceback = "".join(
            tracebacks.format_exception(exception)
            if isinstance(exception, BaseException) and exception.__traceback__ is traceback
            else tracebacks.format_tb(traceback)
        )
    if traceback:
        words["traceback"] = traceback
    bounds = {"exception": 512, "message": MESSAGE_BYTES_MAX, "traceback": TRACEBACK_BYTES_MAX}
    return {key: bounded(value, bounds[key]) for key, value in words.items()}


def _said_by(exception: BaseException) -> str:
    try:
        return str(exception)
    except (
        Exception
    ):  # a task's own exception may fail at anything, and its letter must be written all the same
        return f"<{type(exception).__qualname__} cannot be shown>"


def bounded(words: str, bytes_max: int) -> str:
    """Cut the middle out of text that is too long: a traceback says most where it begins and ends."""
    encoded = words.encode("utf-8", "backslashreplace")
    if len(encoded) <= bytes_max:
        return encoded.decode()
    half = (bytes_max - len(_CUT.encode())) // 2
    return encoded[:half].decode(errors="ignore") + _CUT + encoded[-half:].decode(errors="ignore")
