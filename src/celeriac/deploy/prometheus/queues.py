"""Queues: late, stuck, filling up, read by nobody, or the broker itself gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from celeriac.deploy.prometheus.rules import MINUTE, Alert, Group, Proof, Recording, series
from celeriac.deploy.prometheus.selecting import Selector
from celeriac.observe.metrics import names
from celeriac.plan import Plan
from celeriac.plan.tables.queues import WhenFull
from celeriac.units import say_duration

MESSAGES = "celeriac:queue_messages:max"
OLDEST = "celeriac:queue_oldest_age_seconds:max"
CONSUMERS = "celeriac:queue_consumers:max"
MAX_WAIT = "celeriac:queue_max_wait_seconds:max"
STARTS = "celeriac:queue_starts:rate5m"
BACKLOG = "celeriac:queue_backlog_seconds:ratio5m"

#: how many times its `max_wait` a message waits before a queue counts as stuck
STUCK = 10
#: of a hundred messages a bounded queue may hold, how many it does hold when somebody should look
FULL = 80


def group(plan: Plan) -> Group:
    """Give the rules of the broker and its queues."""
    of = Selector(f'="{plan.name}"')
    every = "by (job, queue)"
    return Group(
        name="queues",
        recordings=(
            # Every host sees the same queues: the same number several times, not a sum of parts.
            Recording(MESSAGES, f"max by (job, queue, state) ({of(names.QUEUE_MESSAGES)})"),
            Recording(OLDEST, f"max {every} ({of(names.QUEUE_OLDEST)})"),
            Recording(CONSUMERS, f"max {every} ({of(names.QUEUE_CONSUMERS)})"),
            Recording(MAX_WAIT, f"max {every} ({of(names.QUEUE_MAX_WAIT)})"),
            Recording(STARTS, f"sum {every} (rate({of(names.WAIT, part='count')}[5m]))"),
            Recording(
                BACKLOG,
                f"max {every} ({of.recorded(MESSAGES, _READY)}) / ({of.recorded(STARTS)} > 0)",
            ),
        ),
        alerts=tuple(_alerts(plan, of)),
    )


_READY = 'state="ready"'
_WHEN_FULL: dict[WhenFull, str] = {
    "block": "senders wait.",
    "reject": "senders are refused.",
    "spool": "senders keep theirs on their own disks.",
}


def _alerts(plan: Plan, of: Selector) -> Iterator[Alert]:
    queue = next(iter(plan.queues), "celery")
    late = next((name for name, each in plan.queues.items() if each.max_wait is not None), None)
    letters = f'queue="{plan.letters.queue}"'
    # The recorder's queue has an alert of its own.
    work = f'queue!="{plan.letters.queue}"'
    yield _broker_down(plan, of)
    if late is not None:
        yield from _late(plan, of, late, work)
    yield _stuck(plan, of, late, work)
    yield from _full(plan, of)
    yield Alert(
        name="QueueUnread",
        expr=f"{of.recorded(CONSUMERS, work)} == 0\nand on (job, queue) {of.recorded(MESSAGES, work, _READY)} > 0",
        wait=5 * MINUTE,
        severity="critical",
        summary="Nobody reads the queue {{ $labels.queue }}",
        description="Messages wait in {{ $labels.queue }} of " + plan.name + ", and no worker reads it.",
        proofs=(
            Proof(
                fires={
                    _gauge(plan, names.QUEUE_CONSUMERS.name, queue): "0x40",
                    _ready(plan, queue): "3x40",
                },
                # Read by a worker that only one of two hosts tells of.
                quiet={
                    _gauge(plan, names.QUEUE_CONSUMERS.name, queue): "0x40",
                    _gauge(plan, names.QUEUE_CONSUMERS.name, queue, host="b"): "1x40",
                    _ready(plan, queue): "3x40",
                },
                labels={"queue": queue},
            ),
            Proof(
                fires={
                    _gauge(plan, names.QUEUE_CONSUMERS.name, queue): "0x40",
                    _ready(plan, queue): "1x40",
                },
                quiet={
                    _gauge(plan, names.QUEUE_CONSUMERS.name, queue): "0x40",
                    _ready(plan, queue): "0x40",
                },
                labels={"queue": queue},
            ),
        ),
    )
    yield Alert(
        name="LettersUnrecorded",
        expr=f"max by (job, queue) ({of.recorded(MESSAGES, letters, _READY)}) > 0",
        wait=10 * MINUTE,
        severity="warning",
        summary="Dead letters of " + plan.name + " are not recorded",
        description="{{ $value }} dead letters wait in {{ $labels.queue }} for a recorder. They are safe there, but "
        "nobody sees them.",
        proofs=(
            Proof(
                fires={_ready(plan, plan.letters.queue): "2x40"},
                quiet={_ready(plan, plan.letters.queue): "2x5 0x40"},
                labels={"queue": plan.letters.queue},
            ),
        ),
    )


def _broker_down(plan: Plan, of: Selector) -> Alert:
    return Alert(
        name="BrokerDown",
        expr=f"max by (job) ({of(names.BROKER_UP)}) == 0",
        wait=MINUTE,
        severity="critical",
        summary="The broker of " + plan.name + " does not answer",
        description="No host reaches the broker: nothing is sent and nothing runs until it is back.",
        proofs=(
            Proof(
                fires={series(plan, names.BROKER_UP.name): "1x5 0x40"},
                quiet={
                    series(plan, names.BROKER_UP.name): "0x40",
                    series(plan, names.BROKER_UP.name, host="b"): "1x40",
                },
            ),
        ),
    )


def _late(plan: Plan, of: Selector, queue: str, work: str) -> Iterator[Alert]:
    bound = plan.queues[queue].max_wait
    assert bound is not None
    allowed = f"{bound.total_seconds():g}"
    ours = {_gauge(plan, names.QUEUE_MAX_WAIT.name, queue): f"{allowed}x40"}
    oldest = _gauge(plan, names.QUEUE_OLDEST.name, queue)
    yield Alert(
        name="QueueLate",
        expr=f"{of.recorded(OLDEST, work)}\n> on (job, queue) {of.recorded(MAX_WAIT)}",
        why="[queues.NAME].max_wait",
        wait=MINUTE,
        severity="warning",
        summary="The queue {{ $labels.queue }} is late",
        description="Its oldest message has waited {{ $value | humanizeDuration }}, longer than max_wait in the plan "
        f"of {plan.name}.",
        proofs=(
            Proof(
                fires={**ours, oldest: f"{_just_over(bound)}x40"},
                quiet={**ours, oldest: f"{allowed}x40"},
                labels={"queue": queue},
            ),
        ),
    )
    runs = series(plan, f"{names.WAIT.name}_count", queue=queue)
    yield Alert(
        name="QueueBacklog",
        expr=f"{of.recorded(BACKLOG, work)}\n> on (job, queue) {of.recorded(MAX_WAIT)}",
        why="[queues.NAME].max_wait",
        wait=10 * MINUTE,
        severity="warning",
        summary="The queue {{ $labels.queue }} is longer than its workers can work off in time",
        description="At the pace of the last five minutes it takes {{ $value | humanizeDuration }} to run what waits, "
        f"longer than max_wait in the plan of {plan.name}.",
        proofs=(
            # One run a second, and one message more than fits into max_wait at that pace.
            Proof(
                fires={**ours, runs: "0+60x40", _ready(plan, queue): f"{bound.total_seconds() + 1:g}x40"},
                quiet={**ours, runs: "0+60x40", _ready(plan, queue): f"{bound.total_seconds() / 2:g}x40"},
                labels={"queue": queue},
            ),
        ),
    )


def _stuck(plan: Plan, of: Selector, late: str | None, work: str) -> Alert:
    oldest, bound = of.recorded(OLDEST, work), plan.alerts.oldest_age.total_seconds()
    unbounded = next((name for name, each in plan.queues.items() if each.max_wait is None), "undeclared")
    proofs = [
        Proof(
            fires={
                _gauge(plan, names.QUEUE_OLDEST.name, unbounded): f"{_just_over(plan.alerts.oldest_age)}x40"
            },
            quiet={_gauge(plan, names.QUEUE_OLDEST.name, unbounded): f"{bound:g}x40"},
            labels={"queue": unbounded},
        )
    ]
    if late is not None:
        allowed = plan.queues[late].max_wait or timedelta()
        ours = {_gauge(plan, names.QUEUE_MAX_WAIT.name, late): f"{allowed.total_seconds():g}x40"}
        series = _gauge(plan, names.QUEUE_OLDEST.name, late)
        proofs.append(
            Proof(
                fires={**ours, series: f"{_just_over(STUCK * allowed)}x40"},
                quiet={**ours, series: f"{(STUCK * allowed).total_seconds():g}x40"},
                labels={"queue": late},
            )
        )
    return Alert(
        name="QueueStuck",
        expr=f"{oldest} > on (job, queue) {STUCK} * {of.recorded(MAX_WAIT)}\n"
        f"or ({oldest} unless on (job, queue) {of.recorded(MAX_WAIT)}) > {bound:g}",
        why=f"{STUCK} times [queues.NAME].max_wait; where a queue has none, [alerts].oldest_age "
        + say_duration(plan.alerts.oldest_age),
        wait=5 * MINUTE,
        severity="critical",
        summary="The queue {{ $labels.queue }} is stuck",
        description="Its oldest message has waited {{ $value | humanizeDuration }}.",
        proofs=tuple(proofs),
    )


def _full(plan: Plan, of: Selector) -> Iterator[Alert]:
    for name, queue in plan.queues.items():
        if queue.max_length is None:
            continue
        much = queue.max_length * FULL // 100
        yield Alert(
            name="QueueFull",
            expr=f"sum by (job, queue) ({of.recorded(MESSAGES, _is(name))}) > {much}",
            why=f"{FULL} of a hundred of [queues.{name}].max_length",
            wait=5 * MINUTE,
            severity="warning",
            summary="The queue {{ $labels.queue }} is nearly full",
            description="It holds {{ $value }} messages of "
            + str(queue.max_length)
            + "; then "
            + _WHEN_FULL[queue.when_full],
            proofs=(
                Proof(
                    fires={_ready(plan, name): f"{much + 1}x40"},
                    # What two hosts see is the same queue.
                    quiet={_ready(plan, name): f"{much}x40", _ready(plan, name, host="b"): f"{much}x40"},
                    labels={"queue": name},
                ),
            ),
        )


def _is(queue: str) -> str:
    return f'queue="{queue}"'


def _ready(plan: Plan, queue: str, host: str = "a") -> str:
    return series(plan, names.QUEUE_MESSAGES.name, host=host, queue=queue, state="ready")


def _gauge(plan: Plan, name: str, queue: str, host: str = "a") -> str:
    return series(plan, name, host=host, queue=queue)


def _just_over(span: timedelta) -> str:
    return f"{span.total_seconds() * 1.01:g}"
