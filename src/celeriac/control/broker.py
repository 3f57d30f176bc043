"""What waits at the broker and who reads it, held against what the plan asks."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec
import psutil
from msgspec.structs import replace

from celeriac.plan import Plan
from celeriac.records import LetterFilter, Records
from celeriac.transports.view import BrokerView, ConsumerState, open_view

#: ends the name of the queue by which one worker receives remote control
_MAILBOX = ".celery.pidbox"


class QueueReport(msgspec.Struct, frozen=True, kw_only=True):
    """One queue as it is now.

    ready, delayed, unacked: messages that wait for a worker, wait for their time, are with a worker.
    oldest_age_s: seconds the oldest ready message has waited; None if none waits.
    max_wait_s: the plan's objective; None if it has none.
    is_late: the oldest waits longer than that.
    is_unread: something waits, and nobody reads the queue.
    letters: dead letters of this queue that wait for a decision.
    is_declared: the plan names it.
    """

    name: str
    ready: int
    delayed: int
    unacked: int
    oldest_age_s: float | None
    max_wait_s: float | None
    max_length: int | None
    is_late: bool
    is_unread: bool
    consumers: int
    letters: int
    is_declared: bool


@contextmanager
def viewing(plan: Plan) -> Iterator[BrokerView]:
    """Open the view of the plan's broker, and close it.

    Raises: BrokerError if this broker cannot be looked into, or cannot be reached.
    """
    with closing(open_view(plan.broker, plan.folder)) as view:
        yield view


def queues(plan: Plan) -> list[QueueReport]:
    """Give the plan's queues in its order, then the letters queue, then what else is there, by name."""
    with viewing(plan) as view:
        found = {state.name: state for state in view.queues()}
        readers = count_readers(view)
    letters = _letters(plan)
    reports = []
    for name in dict.fromkeys([*plan.queues, plan.letters.queue, *sorted(found)]):
        if is_internal(name):
            continue
        state, declared = found.get(name), plan.queues.get(name)
        max_wait_s = declared.max_wait.total_seconds() if declared and declared.max_wait else None
        bounds = [each.max_length for each in (declared, state) if each and each.max_length is not None]
        max_length = bounds[0] if bounds else None
        oldest_s = state.oldest_age_s if state else None
        waiting = state.ready + state.delayed if state else 0
        consumers = readers[name]
        reports.append(
            QueueReport(
                name=name,
                ready=state.ready if state else 0,
                delayed=state.delayed if state else 0,
                unacked=state.unacked if state else 0,
                oldest_age_s=oldest_s,
                max_wait_s=max_wait_s,
                max_length=max_length,
                is_late=max_wait_s is not None and oldest_s is not None and oldest_s > max_wait_s,
                # Letters wait safely while no recorder runs.
                is_unread=waiting > 0 and consumers == 0 and name != plan.letters.queue,
                consumers=consumers,
                letters=letters[name],
                is_declared=declared is not None,
            )
        )
    return reports


def consumers(plan: Plan) -> list[ConsumerState]:
    """Give the live consumers of the plan's broker, by name."""
    with viewing(plan) as view:
        return sorted(
            (called(it) for it in view.consumers() if is_alive(it)), key=lambda it: (it.name, it.pid)
        )


def count_readers(view: BrokerView) -> Counter[str]:
    """Count the live consumers of each queue."""
    return Counter(queue for consumer in view.consumers() if is_alive(consumer) for queue in consumer.queues)


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
