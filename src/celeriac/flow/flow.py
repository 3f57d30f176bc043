"""What an app's tasks pass before they run: the breakers and rates of its plan, over its coordination store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import lru_cache

from celery.exceptions import Ignore, Reject, Retry
from kombu.utils.imports import symbol_by_name

from celeriac.clock import SYSTEM, Clock
from celeriac.coordination import Coordination, open_coordination
from celeriac.errors import FlowError, NotNow
from celeriac.flow.breaker import SharedBreaker
from celeriac.flow.pacing import SharedRate
from celeriac.plan import Breaker, Plan, Policy

#: schemes of the brokers at which delayed tasks wait
_KEEPING_DELAYED = frozenset({"sqlite", "redis", "rediss", "redis+socket", "sentinel", "sqs"})
#: where delayed tasks wait in a worker's memory, unacked: well within RabbitMQ's consumer timeout of half an hour
_LONGEST_ELSEWHERE = timedelta(minutes=10)


class Flow:
    """The flow of one app. The store is connected to when the first breaker is used."""

    def __init__(self, plan: Plan, store: Coordination | None = None, clock: Clock = SYSTEM) -> None:
        self._plan = plan
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._declared = {
            policy.breaker.name: policy.breaker for policy in plan.tasks.values() if policy.breaker
        }

    @contextmanager
    def through(
        self, policy: Policy, task: str, task_id: str, patience: timedelta | None = None
    ) -> Iterator[None]:
        """Run a block as one run of a task with this policy.

        task: its name. patience: when it expires; None: never.
        Raises: NotNow before the block, if it must wait; after it what the block raised.
        """
        # The breaker is asked first: a run that it refuses must not count against the rate.
        with self.guarding(policy.breaker) if policy.breaker is not None else nullcontext():
            if policy.rate is not None:
                self.rate(task, policy.rate).enter(task_id, patience, self._longest_wait)
            yield

    @contextmanager
    def guarding(
        self, settings: Breaker, kinds: tuple[type[BaseException], ...] | None = None
    ) -> Iterator[None]:
        """Run a block that a breaker guards; what it raises, if the breaker is one for that, is a failure.

        kinds: exception classes instead of the names in `settings.on`, where the plan does not know the breaker.
        Raises: BreakerOpen before the block; FlowError if an exception of `on` cannot be imported.
        """
        breaker = self.breaker(settings)
        if kinds is None or settings.name in self._declared:
            kinds = failures_of(breaker.settings.on)
        passage = breaker.enter()
        try:
            yield
        except BaseException as error:
            # A task that asks for its retry says by `exc` what went wrong; Ignore, Reject and NotNow say nothing of it.
            cause = error.exc if isinstance(error, Retry) else error
            if isinstance(cause, kinds) and not isinstance(cause, Ignore | Reject | NotNow):
                breaker.failed(passage)
            else:
                breaker.said_nothing(passage)
            raise
        breaker.succeeded(passage)

    def breaker(self, settings: Breaker) -> SharedBreaker:
        """Give the breaker of that name; what the plan says of it wins over `settings`."""
        return SharedBreaker(self._declared.get(settings.name, settings), self.store, self._clock)

    def rate(self, task: str, said: str) -> SharedRate:
        """Give the rate of the task of that name.

        Raises: FlowError if what is said is none; CoordinationError if the store's URL or driver is of no use.
        """
        try:
            return SharedRate(self._plan.name, task, said, self.store)
        except ValueError as error:
            raise FlowError(
                "FLOW-008", f"{task} has a rate that is none: {error}", fix='write it like "100/m"'
            ) from error

    @property
    def _longest_wait(self) -> timedelta | None:
        """Say how long a task may wait at the broker in one go; None: as long as it has to."""
        kinds = {url.partition("://")[0] for url in self._plan.candidates}
        return None if kinds <= _KEEPING_DELAYED else _LONGEST_ELSEWHERE

    @property
    def declared(self) -> dict[str, Breaker]:
        """The breakers of the plan, by name."""
        return dict(self._declared)

    @property
    def store(self) -> Coordination:
        """The coordination store.

        Raises: CoordinationError if its URL or its driver is of no use.
        """
        with self._lock:
            if self._store is None:
                self._store = open_coordination(self._plan.coordination, self._plan.folder)
            return self._store


@lru_cache(maxsize=256)
def failures_of(names: tuple[str, ...]) -> tuple[type[BaseException], ...]:
    """Import the exceptions that a breaker counts.

    Raises: FlowError if a name cannot be imported or is no exception.
    """
    return tuple(_exception(name) for name in names)


def _exception(name: str) -> type[BaseException]:
    try:
        found = symbol_by_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise FlowError(
            "FLOW-003",
            f'a breaker counts "{name}", which cannot be imported: {error}',
            fix='write the dotted name of an exception class, like "smtplib.SMTPException"',
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise FlowError(
            "FLOW-004",
            f'a breaker counts "{name}", which is no exception class',
            fix='write the dotted name of an exception class, like "smtplib.SMTPException"',
        )
    return found
