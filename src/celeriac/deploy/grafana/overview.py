"""The overview: whether all is well, in one look."""

from __future__ import annotations

from celeriac.deploy.grafana.dashboards import OF, Row, dashboard
from celeriac.deploy.grafana.panels import (
    BAD_ABOVE_ZERO,
    GREEN,
    RED,
    Json,
    Panel,
    Query,
    curves,
    number,
    state,
    table,
)
from celeriac.deploy.prometheus.selecting import by_pool
from celeriac.observe.metrics import names
from celeriac.plan import Plan

_RATE = "[$__rate_interval]"


def overview(plan: Plan) -> Json:
    """Give the dashboard that somebody who is woken opens first."""
    rows = [_numbers(plan), _tasks(), _queues(plan)]
    if plan.schedules or plan.beat.replicas:
        rows.append(Row(8, (_schedules(),)))
    return dashboard(plan, "overview", "Whether tasks run, in time and well.", tuple(rows))


def _numbers(plan: Plan) -> Row:
    letters = plan.letters.queue
    ready = OF(names.QUEUE_MESSAGES, 'state="ready"', f'queue!="{letters}"')
    oldest, allowed = OF(names.QUEUE_OLDEST), OF(names.QUEUE_MAX_WAIT)
    late = f"max by (queue) ({oldest}) > on (queue) max by (queue) ({allowed})"
    failed = f"sum(increase({OF(names.FAILURES)}[$__range]))"
    done = f"sum(increase({OF(names.COMPLETIONS)}[$__range]))"
    return Row(
        4,
        (
            state(
                "Broker",
                "Whether any host reaches it.",
                f"max({OF(names.BROKER_UP)})",
                bad="away",
                good="answers",
            ),
            number(
                "Late queues",
                "Queues whose oldest message waits longer than max_wait.",
                f"count({late}) or vector(0)",
                steps=((RED, 1),),
            ),
            number(
                "Messages ready",
                "Messages of all queues that a worker could take now.",
                f"sum(max by (queue) ({ready}))",
            ),
            number(
                "Success",
                "Of the tasks that ended in the time shown, how many did not fail for good.",
                f"1 - ({failed} or vector(0)) / ((({failed} or vector(0)) + ({done} or vector(0))) > 0)",
                unit="percentunit",
                steps=((RED, 0), (GREEN, 1 - plan.alerts.failures / 100)),
            ),
            number(
                "Dead letters",
                "Letters that wait to be replayed or discarded.",
                f"sum(max by (queue) ({OF(names.LETTERS)})) or vector(0)",
                steps=BAD_ABOVE_ZERO,
            ),
            number("Workers", "Workers that take and run tasks.", f"sum({OF(names.WORKER_UP)})"),
            number(
                "Busy slots",
                "Of all tasks that can run at once, how many do.",
                f"sum({OF(names.WORKER_BUSY)}) / sum({OF(names.WORKER_SLOTS)})",
                unit="percentunit",
            ),
            number(
                "Alerts",
                "Alerts that fire now.",
                'count(ALERTS{job="$job",alertstate="firing"}) or vector(0)',
                steps=((RED, 1),),
            ),
        ),
    )


def _tasks() -> Row:
    ended = (
        (names.COMPLETIONS, "completed"),
        (names.FAILURES, "failed for good"),
        (names.RETRIES, "to be retried"),
    )
    return Row(
        9,
        (
            curves(
                "How runs end, per second",
                "Runs by outcome.",
                *(Query(f"sum(rate({OF(family)}{_RATE}))", legend) for family, legend in ended),
                stacked=True,
            ),
            curves(
                "Sent and ended, per second",
                "If more is sent than ends for long, queues grow.",
                Query(f"sum(rate({OF(names.SUBMISSIONS)}{_RATE}))", "sent"),
                Query(
                    f"sum(rate({OF(names.COMPLETIONS)}{_RATE})) "
                    f"+ (sum(rate({OF(names.FAILURES)}{_RATE})) or vector(0))",
                    "ended",
                ),
            ),
            curves(
                "Busy slots by pool",
                "Of what a pool can run at once, how much it does.",
                Query(
                    f"sum by (pool) ({by_pool(OF(names.WORKER_BUSY))}) "
                    f"/ sum by (pool) ({by_pool(OF(names.WORKER_SLOTS))})",
                    "{{pool}}",
                ),
                unit="percentunit",
                most=1,
            ),
        ),
    )


def _queues(plan: Plan) -> Row:
    work = f'queue!="{plan.letters.queue}"'
    ready = OF(names.QUEUE_MESSAGES, 'state="ready"', work)
    waits = OF(names.WAIT, part="bucket")
    return Row(
        9,
        (
            curves(
                "Ready messages by queue",
                "What a worker could take now.",
                Query(f"max by (queue) ({ready})", "{{queue}}"),
            ),
            curves(
                "Oldest message by queue",
                "How long the first in line has waited.",
                Query(f"max by (queue) ({OF(names.QUEUE_OLDEST, work)})", "{{queue}}"),
                unit="s",
            ),
            curves(
                "Wait before a run, 95 of 100",
                "From sending to the start of a run.",
                Query(f"histogram_quantile(0.95, sum by (queue, le) (rate({waits}{_RATE})))", "{{queue}}"),
                unit="s",
            ),
        ),
    )


def _schedules() -> Panel:
    return table(
        "Schedules",
        "When each was last sent, how late, and how long one that was not sent has been due.",
        ("overdue", Query(f"max by (schedule) ({OF(names.SCHEDULE_OVERDUE)})"), "s"),
        ("last sent late by", Query(f"max by (schedule) ({OF(names.SCHEDULE_LAG)})"), "s"),
        ("last sent", Query(f"max by (schedule) ({OF(names.SCHEDULE_SENT)}) * 1000"), "dateTimeFromNow"),
        key="schedule",
    )
