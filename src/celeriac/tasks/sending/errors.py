"""What a sender is told when a task was not sent; Celery's callers catch these as kombu's OperationalError."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kombu.exceptions import OperationalError

from celeriac.errors import SendingError


class NotSent(SendingError, OperationalError):
    """The broker did not take what was sent, within the deadline.

    Unless the message says otherwise, nothing of it was sent.
    """


class PartlySent(NotSent):
    """Some of a batch were sent before the broker failed.

    sent: ids of the tasks that the broker has taken, in order. unsent: ids of those that it has not.
    in_doubt: ids of those it was just given, and did not answer for; they were sent or not.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        sent: Sequence[str],
        unsent: Sequence[str],
        in_doubt: Sequence[str] = (),
        at: str | None = None,
        known: Iterable[str] = (),
        fix: str | None = None,
    ) -> None:
        super().__init__(code, message, at=at, known=known, fix=fix)
        self.sent, self.unsent, self.in_doubt = tuple(sent), tuple(unsent), tuple(in_doubt)
