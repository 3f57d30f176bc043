"""The task dashboard: how often tasks run and fail, how long they take, and how big they are."""

from __future__ import annotations

from celeriac.deploy.grafana.dashboards import OF, Row, choice, dashboard
from celeriac.deploy.grafana.panels import Json, Panel, Query, curves, heat, number, table
from celeriac.observe.metrics import names
from celeriac.plan import Plan

_RATE = "[$__rate_interval]"
_TASK = 'task=~"$task"'


def task(plan: Plan) -> Json:
    """Give the dashboard of the tasks that are chosen."""
    known = f"label_values({OF(names.RUN, part='count')}, task)"
    rows = (_numbers(plan), _ends(), _spent(), Row(10, (_all(),)))
    return dashboard(plan, "task", "How tasks run and how they end.", rows, choice("task", known))


def _in_range(family: names.Family) -> str:
    return f"(sum(increase({OF(family, _TASK)}[$__range])) or vector(0))"


def _numbers(plan: Plan) -> Row:
    failed, done = _in_range(names.FAILURES), _in_range(names.COMPLETIONS)
    runs = OF(names.RUN, _TASK, part="bucket")
    return Row(
        4,
        (
            number("Sent", "Tasks accepted by the broker in the time shown.", _in_range(names.SUBMISSIONS)),
            number("Completed", "Runs that ended in success.", done),
            number("Failed", "Tasks that failed for good.", failed, steps=(("orange", 1),)),
            number("Retries", "Runs that ended in a retry.", _in_range(names.RETRIES)),
            number(
                "Failures",
                "Of what ended, how much failed for good.",
                f"{failed} / ({failed} + {done} > 0)",
                unit="percentunit",
                steps=(("red", plan.alerts.failures / 100),),
            ),
            number(
                "Run time, 95 of 100",
                "Of the runs in the time shown.",
                f"histogram_quantile(0.95, sum by (le) (increase({runs}[$__range])))",
                unit="s",
            ),
        ),
    )


def _ends() -> Row:
    def rate(family: names.Family) -> str:
        return f"sum by (task) (rate({OF(family, _TASK)}{_RATE}))"

    failed, done = rate(names.FAILURES), rate(names.COMPLETIONS)
    dropped = f"sum by (task, reason) (rate({OF(names.DROPS, _TASK)}{_RATE}))"
    return Row(
        9,
        (
            curves(
                "Completed, per second",
                "Runs that ended in success.",
                Query(done, "{{task}}"),
                stacked=True,
            ),
            curves(
                "Failed, retried and dropped, per second",
                "What did not end in success.",
                Query(failed, "{{task}} failed"),
                Query(rate(names.RETRIES), "{{task}} retried"),
                Query(dropped, "{{task}} {{reason}}"),
            ),
            curves(
                "Failures",
                "Of what ended, how much failed for good.",
                Query(f"{failed} / ({failed} + {done} > 0 or {failed} > 0)", "{{task}}"),
                unit="percentunit",
                most=1,
            ),
        ),
    )


def _spent() -> Row:
    buckets = OF(names.RUN, _TASK, part="bucket")
    runs = f"sum by (task, le) (rate({buckets}{_RATE}))"
    sizes = f"sum by (task, le) (rate({OF(names.PAYLOAD, _TASK, part='bucket')}{_RATE}))"
    return Row(
        9,
        (
            curves(
                "Run time",
                "Whatever the outcome.",
                *(
                    Query(f"histogram_quantile({share}, {runs})", f"{{{{task}}}} {words}")
                    for share, words in ((0.5, "half"), (0.95, "95 of 100"), (0.99, "99 of 100"))
                ),
                unit="s",
            ),
            heat("How many ran how long", "Runs by their time.", f"sum by (le) (increase({buckets}{_RATE}))"),
            curves(
                "Size of arguments, 99 of 100",
                "What is bigger than a few kilobytes is better kept in a file or a row.",
                Query(f"histogram_quantile(0.99, {sizes})", "{{task}}"),
                unit="bytes",
            ),
        ),
    )


def _all() -> Panel:
    def counted(family: names.Family) -> Query:
        return Query(f"sum by (task) (increase({OF(family, _TASK)}[$__range]))")

    spent = OF(names.RUN, _TASK, part="sum")
    runs = OF(names.RUN, _TASK, part="count")
    return table(
        "Tasks",
        "The tasks that are chosen, in the time shown.",
        ("sent", counted(names.SUBMISSIONS), "short"),
        ("completed", counted(names.COMPLETIONS), "short"),
        ("failed", counted(names.FAILURES), "short"),
        ("retried", counted(names.RETRIES), "short"),
        (
            "mean run time",
            Query(
                f"sum by (task) (increase({spent}[$__range])) / (sum by (task) (increase({runs}[$__range])) > 0)"
            ),
            "s",
        ),
        ("slots in use", Query(f"sum by (task) (rate({spent}[$__range]))"), "short"),
        key="task",
    )
