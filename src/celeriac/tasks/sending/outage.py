"""What becomes of messages that the broker does not take: they go to the spool, or a coded error says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from celery.app import amqp as stock
from celery.canvas import maybe_signature
from kombu.exceptions import OperationalError

from celeriac import wire
from celeriac.errors import CeleriacError, redacted
from celeriac.events import emit
from celeriac.tasks.runtime import queues_of
from celeriac.tasks.sending.errors import NotSent, PartlySent
from celeriac.tasks.sending.prepared import Prepared
from celeriac.tasks.sending.spool import Spool

#: how long after a failure sends go to the spool at once, without asking the broker again; seconds
_BELIEVED_S = 2.0
#: ids that a message names at most
_NAMED = 3


class Outage:
    """The answer of one app to a broker that does not take its messages.

    spool: where its tasks are kept meanwhile; None: nowhere. takes_once: whether its broker is one of ours.
    """

    def __init__(self, app: Any, spool: Spool | None, takes_once: bool) -> None:
        self._app = app
        self.spool = spool
        self._takes_once = takes_once
        self._away_until = 0.0

    def passes_by(self, messages: Sequence[Prepared]) -> bool:
        """Keep messages in the spool at once, if the broker was away a moment ago."""
        if self.spool is None or time.monotonic() > self._away_until:
            return False
        return self._keep([messages], "the broker is away")

    def is_back(self) -> None:
        """Be told that the broker answers again."""
        self._away_until = 0.0

    def give_up(
        self,
        error: Exception,
        *,
        sent: Sequence[Prepared],
        left: Sequence[Sequence[Prepared]],
        in_doubt: bool,
    ) -> None:
        """Keep what is left in the spool, or raise.

        in_doubt: the first step left may have been taken all the same.
        Raises: NotSent, PartlySent.
        """
        if self._keep(left, str(error)):
            self._away_until = time.monotonic() + _BELIEVED_S
            return
        unsent = [message for step in left for message in step]
        if not any(message.is_task for message in unsent):
            # A command or an event: as kombu says it.
            raise OperationalError(str(error)) from error
        for message in unsent:
            emit("tasks", "send.refused", queue=message.queue, why="away")
        raise self._told(error, sent, left, in_doubt) from error

    def refused(
        self, error: Exception, step: Sequence[Prepared], queue: str, *, sent: Sequence[Prepared]
    ) -> list[Prepared]:
        """Keep what goes to a full queue that spools, and give the others; else raise.

        queue: the one that has no room; empty: all of the step was refused.
        Raises: QueueFull, PartlySent.
        """
        to_it = [each for each in step if not queue or each.queue == queue]
        if all(queues_of(self._app).get(each.queue) == "spool" for each in to_it) and self._keep(
            [to_it], "the queue is full"
        ):
            return [each for each in step if each not in to_it]
        for message in to_it:
            emit("tasks", "send.refused", queue=message.queue, why="full")
        if sent:
            raise self._told(error, sent, [step], in_doubt=False) from error
        raise error

    def _keep(self, left: Sequence[Sequence[Prepared]], why: str) -> bool:
        if self.spool is None or not all(_may_wait_here(message) for step in left for message in step):
            return False
        for step in left:
            # What another broker takes a part of must not be sent again whole.
            for record in [step] if self._takes_once else [[message] for message in step]:
                self.spool.keep(record)
            for message in step:
                emit("tasks", "send.spooled", task_id=message.task_id, queue=message.queue, why=redacted(why))
        return True

    def _told(
        self, error: Exception, sent: Sequence[Prepared], left: Sequence[Sequence[Prepared]], in_doubt: bool
    ) -> NotSent:
        unsent = [message for step in left for message in step]
        queues = ", ".join(f'"{name}"' for name in sorted({message.queue for message in unsent}))
        at = redacted(str(self._app.conf.broker_write_url))
        # kombu's errors wrap those of the transport.
        cause = next((it for it in (error, error.__cause__) if isinstance(it, CeleriacError)), None)
        said = redacted(str(error) if cause is None else cause.message).strip()
        said = said.splitlines()[0].rstrip(".") if said else type(error).__name__
        mend = (cause and cause.fix) or "see that the broker runs and can be reached"
        if not sent:
            ending = (
                "It did not answer, so it may have taken them all the same."
                if in_doubt
                else "Nothing was sent."
            )
            return NotSent(
                "SEND-001",
                f"the broker takes no task for {queues} now: {said}. {_named(unsent)} cannot be sent. {ending}",
                at=at,
                fix=f"{mend}; [sending].spool would keep tasks on disk meanwhile",
            )
        failure = PartlySent(
            "SEND-002",
            f"{len(sent)} tasks were sent, {len(unsent)} for {queues} were not ({_named(unsent)}): {said}.",
            sent=[each.task_id or "" for each in sent],
            unsent=[each.task_id or "" for step in left[1:] for each in step]
            if in_doubt
            else [each.task_id or "" for each in unsent],
            in_doubt=[each.task_id or "" for each in left[0]] if in_doubt else (),
            at=at,
            fix="send those that `unsent` of this error names again, under the same ids",
        )
        self._fail_chords(unsent, failure)
        return failure

    def _fail_chords(self, unsent: Sequence[Prepared], failure: PartlySent) -> None:
        """Fail chords of which some parts were sent and others never will be: their bodies would be waited for."""
        chords = {message.headers.get("group"): message.chord for message in unsent if message.chord}
        for chord in chords.values():
            body = maybe_signature(chord, app=self._app)
            try:
                raise failure  # Celery takes the traceback of the exception being handled
            except PartlySent:
                self._app.backend.chord_error_from_stack(body, failure)


def _may_wait_here(message: Prepared) -> bool:
    """Say whether a task may be kept on this host's disk.

    What follows from a task that a worker runs may not: that task stays at the broker, which is the safer place, until
    this one is sent.
    """
    headers = message.headers
    follows = headers.get("retries") or wire.DEATH in headers or stock._callback_publish_retry.get()
    return message.is_task and not follows


def _named(messages: Sequence[Prepared]) -> str:
    names = [f"{each.headers.get('task')}[{each.task_id}]" for each in messages[:_NAMED]]
    more = len(messages) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
