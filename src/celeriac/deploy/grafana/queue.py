"""The queue dashboard: how long what waits, whether that is in time, and whether it grows."""

from __future__ import annotations

from celeriac.deploy.grafana.dashboards import OF, Row, choice, dashboard
from celeriac.deploy.grafana.panels import Json, Panel, Query, curves, heat, number, table
from celeriac.observe.metrics import names
from celeriac.plan import Plan

_RATE = "[$__rate_interval]"
_QUEUE = 'queue=~"$queue"'


def queue(plan: Plan) -> Json:
    """Give the dashboard of the queues that are chosen."""
    known = f"label_values({OF(names.QUEUE_MESSAGES)}, queue)"
    rows = (_numbers(), _waiting(), _in_time(), Row(9, (_all(),)))
    return dashboard(plan, "queue", "What waits, for how long, and for whom.", rows, choice("queue", known))


def _messages(state: str) -> str:
    chosen = OF(names.QUEUE_MESSAGES, _QUEUE, f'state="{state}"')
    return f"max by (queue) ({chosen})"


def _numbers() -> Row:
    return Row(
        4,
        (
            number("Ready", "Messages a worker could take now.", f"sum({_messages('ready')})"),
            number(
                "Delayed",
                "Messages that wait for their time: retries, countdowns, an open breaker.",
                f"sum({_messages('delayed')}) or vector(0)",
            ),
            number(
                "With workers",
                "Messages a worker has taken and not yet ended; where the broker counts them together, of all queues.",
                f"sum({_messages('unacked')}) or max({OF(names.BROKER_UNACKED)}) or vector(0)",
            ),
            number(
                "Oldest",
                "How long the first in line has waited.",
                f"max({OF(names.QUEUE_OLDEST, _QUEUE)})",
                unit="s",
            ),
            number(
                "Readers",
                "Workers that read one of the queues.",
                f"sum(max by (queue) ({OF(names.QUEUE_CONSUMERS, _QUEUE)}))",
            ),
            number(
                "Dead letters",
                "Letters that wait to be replayed or discarded.",
                f"sum(max by (queue) ({OF(names.LETTERS, _QUEUE)})) or vector(0)",
                steps=(("orange", 1),),
            ),
        ),
    )


def _waiting() -> Row:
    sent = f"sum by (queue) (rate({OF(names.SUBMISSIONS, _QUEUE)}{_RATE}))"
    started = f"sum by (queue) (rate({OF(names.WAIT, _QUEUE, part='count')}{_RATE}))"
    states = ("ready", "delayed", "unacked")
    return Row(
        9,
        (
            curves(
                "Messages",
                "By what they wait for.",
                *(Query(_messages(state), f"{{{{queue}}}} {state}") for state in states),
            ),
            curves(
                "Sent and started, per second",
                "Retries and redeliveries are started, and not sent, again.",
                Query(sent, "{{queue}} sent"),
                Query(started, "{{queue}} started"),
            ),
            curves(
                "Time to run what is ready",
                "At the pace of starts.",
                Query(f"{_messages('ready')} / ({started} > 0)", "{{queue}}"),
                unit="s",
            ),
        ),
    )


def _in_time() -> Row:
    buckets = OF(names.WAIT, _QUEUE, part="bucket")
    waits = f"sum by (queue, le) (rate({buckets}{_RATE}))"
    return Row(
        9,
        (
            curves(
                "Oldest message and max_wait",
                "A queue above its line is late.",
                Query(f"max by (queue) ({OF(names.QUEUE_OLDEST, _QUEUE)})", "{{queue}}"),
                Query(f"max by (queue) ({OF(names.QUEUE_MAX_WAIT, _QUEUE)})", "{{queue}} max_wait"),
                unit="s",
            ),
            curves(
                "Wait before a run",
                "From sending, or the time it was sent for, to the start of a run.",
                *(
                    Query(f"histogram_quantile({share}, {waits})", f"{{{{queue}}}} {words}")
                    for share, words in ((0.5, "half"), (0.95, "95 of 100"), (0.99, "99 of 100"))
                ),
                unit="s",
            ),
            heat(
                "How many waited how long", "Runs by their wait.", f"sum by (le) (increase({buckets}{_RATE}))"
            ),
        ),
    )


def _all() -> Panel:
    return table(
        "Queues",
        "The queues that are chosen, as they are now.",
        ("ready", Query(_messages("ready")), "short"),
        ("oldest", Query(f"max by (queue) ({OF(names.QUEUE_OLDEST, _QUEUE)})"), "s"),
        ("max_wait", Query(f"max by (queue) ({OF(names.QUEUE_MAX_WAIT, _QUEUE)})"), "s"),
        ("readers", Query(f"max by (queue) ({OF(names.QUEUE_CONSUMERS, _QUEUE)})"), "short"),
        ("letters", Query(f"max by (queue) ({OF(names.LETTERS, _QUEUE)})"), "short"),
        key="queue",
    )
