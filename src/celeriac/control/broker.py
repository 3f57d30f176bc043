"""What waits at the broker and who reads it, held against what the plan asks."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import msgspec
import psutil
from celery import Celery
from msgspec.structs import replace

from celeriac.control.asked import ask_queues, ask_workers
from celeriac.errors import BrokerError
from celeriac.observe.metrics.sources import QueueReading
from celeriac.plan import Plan
from celeriac.records import LetterFilter, Records
from celeriac.transports.view import BrokerView, ConsumerState, open_view

LoadApp = Callable[[], Celery]
#: the code of the error that a broker offers no view of itself
NO_VIEW = "BROKER-012"
#: ends the name of the queue by which one worker receives remote control
_MAILBOX = ".celery.pidbox"


class QueueReport(msgspec.Struct, frozen=True, kw_only=True):
    """One queue as it is now.

    ready, delayed, unacked: messages that wait for a worker, wait for their time, are with a worker; None: this broker
        does not tell.
    oldest_age_s: seconds the oldest ready message has waited; None if none waits, or this broker does not tell.
    consumers: workers that read it; None: this broker does not tell.
    max_wait_s: the plan's objective; None if it has none.
    is_late: the oldest waits longer than that.
    is_unread: something waits, and nobody reads the queue.
    letters: dead letters of this queue that wait for a decision.
    is_declared: the plan names it.
    """

    name: str
    ready: int
    delayed: int | None
    unacked: int | None
    oldest_age_s: float | None
    max_wait_s: float | None
    max_length: int | None
    is_late: bool
    is_unread: bool
    consumers: int | None
    letters: int
    is_declared: bool


@contextmanager
def viewing(plan: Plan) -> Iterator[BrokerView]:
    """Open the view of the plan's broker, and close it.

    Raises: BrokerError if this broker cannot be looked into, or cannot be reached.
    """
    names = (*plan.queues, plan.letters.queue)
    options = plan.celery.get("broker_transport_options")
    with closing(open_view(plan.broker, plan.folder, queues=names, options=options)) as view:
        yield view


def queues(
    plan: Plan, load: LoadApp | None = None, letters: Mapping[str, int] | None = None
) -> list[QueueReport]:
    """Give the plan's queues in its order, then the letters queue, then what else is there, by name.

    load: gives the app, through which a broker without a view is asked; None leaves it at the view.
    letters: queue → letters that wait, where they were counted already; None: they are counted in the records.
    Raises: BrokerError if the broker cannot be looked into, or cannot be reached; RecordsError likewise.
    """
    found = {reading.name: reading for reading in _readings(plan, load)}
    counted = _letters(plan) if letters is None else letters
    return [
        _report(plan, found.get(name) or QueueReading(name=name, ready=0, consumers=0), counted.get(name, 0))
        for name in dict.fromkeys([*plan.queues, plan.letters.queue, *sorted(found)])
    ]


def consumers(plan: Plan, load: LoadApp | None = None) -> list[ConsumerState]:
    """Give the live consumers of the plan's broker, by name; `load` and errors as in `queues`."""
    return [it for it in holders(plan, load) if is_alive(it)]


def holders(plan: Plan, load: LoadApp | None = None) -> list[ConsumerState]:
    """Give whoever has a lease at the plan's broker, by name; the dead too, until that is noticed there."""
    try:
        with viewing(plan) as view:
            found = [called(it) for it in view.consumers()]
    except BrokerError as error:
        if error.code != NO_VIEW or load is None:
            raise
        found = ask_workers(plan, load())
    return sorted(found, key=lambda it: (it.name, it.pid))


def _readings(plan: Plan, load: LoadApp | None) -> list[QueueReading]:
    try:
        with viewing(plan) as view:
            states, readers = view.queues(), count_readers(view)
    except BrokerError as error:
        if error.code != NO_VIEW or load is None:
            raise
        return list(ask_queues(plan, load()))
    return [
        QueueReading(
            name=it.name,
            ready=it.ready,
            delayed=it.delayed,
            unacked=it.unacked,
            oldest_age_s=it.oldest_age_s,
            consumers=readers[it.name],
            max_length=it.max_length,
        )
        for it in states
        if not is_internal(it.name)
    ]


def _report(plan: Plan, it: QueueReading, letters: int) -> QueueReport:
    declared = plan.queues.get(it.name)
    max_wait_s = declared.max_wait.total_seconds() if declared and declared.max_wait else None
    bounds = [declared.max_length if declared else None, it.max_length]
    waiting = it.ready + (it.delayed or 0)
    return QueueReport(
        name=it.name,
        ready=it.ready,
        delayed=it.delayed,
        unacked=it.unacked,
        oldest_age_s=it.oldest_age_s,
        max_wait_s=max_wait_s,
        max_length=next((bound for bound in bounds if bound is not None), None),
        is_late=max_wait_s is not None and it.oldest_age_s is not None and it.oldest_age_s > max_wait_s,
        # Letters wait safely while no recorder runs.
        is_unread=waiting > 0 and it.consumers == 0 and it.name != plan.letters.queue,
        consumers=it.consumers,
        letters=letters,
        is_declared=declared is not None,
    )


def count_readers(view: BrokerView) -> Counter[str]:
    """Count the workers that read each queue, and whoever else does; all slots of one are one."""
    living = [consumer for consumer in view.consumers() if is_alive(consumer)]
    # A name with a host in it is a worker's, which its slots share.
    whose = {(it.name if "@" in it.name else it.id, queue) for it in living for queue in it.queues}
    return Counter(queue for _, queue in whose)


def is_alive(consumer: ConsumerState) -> bool:
    """Say whether its process lives; one of another host is believed to, until its lease lapses there."""
    return consumer.host != socket.gethostname() or psutil.pid_exists(consumer.pid)


def called(consumer: ConsumerState) -> ConsumerState:
    """Give the consumer under its worker's name, which its mailbox tells, and without that mailbox."""
    mailboxes = [queue for queue in consumer.queues if is_internal(queue)]
    names = [queue.removesuffix(_MAILBOX) for queue in mailboxes if queue.endswith(_MAILBOX)]
    return replace(
        consumer,
        name=names[0] if names else consumer.name,
        queues=tuple(queue for queue in consumer.queues if queue not in mailboxes),
    )


def is_internal(queue: str) -> bool:
    """Say whether a queue is one of Celery's own, for remote control and events."""
    return queue.endswith(_MAILBOX) or queue.startswith("celeryev.")


def _letters(plan: Plan) -> Counter[str]:
    with closing(Records(plan.state, plan.folder)) as records:
        counted: Counter[str] = Counter()
        for count in records.counts(LetterFilter(states=("waiting",))):
            counted[count.queue] += count.letters
    return counted
