"""The pool dashboard: whether its workers live, and whether there is room in them."""

from __future__ import annotations

from celeriac.deploy.grafana.dashboards import OF, Row, dashboard, listed
from celeriac.deploy.grafana.panels import ORANGE, RED, Json, Panel, Query, curves, number, table
from celeriac.deploy.prometheus.selecting import by_pool
from celeriac.observe.metrics import names
from celeriac.plan import Plan

_WORKER = 'worker=~"($pool)-[0-9]+@.*"'


def pool(plan: Plan) -> Json:
    """Give the dashboard of the pools that are chosen."""
    rows = (_numbers(), _by_pool(), Row(10, (_workers(),)))
    return dashboard(
        plan, "pool", "Workers, and the room there is in them.", rows, listed("pool", tuple(plan.pools))
    )


def _sum(family: names.Family) -> str:
    return f"sum({OF(family, _WORKER)})"


def _numbers() -> Row:
    return Row(
        4,
        (
            number("Workers", "Workers that take and run tasks.", _sum(names.WORKER_UP)),
            number(
                "In trouble or starting",
                "Workers that take no tasks now: they hang, are gone, start or stop.",
                f"count({OF(names.WORKER_UP, _WORKER)} == 0) or vector(0)",
                steps=((ORANGE, 1),),
            ),
            number("Slots", "Tasks that can run at once.", _sum(names.WORKER_SLOTS)),
            number("Busy", "Tasks that run now.", _sum(names.WORKER_BUSY)),
            number(
                "Busy slots",
                "Of all slots.",
                f"{_sum(names.WORKER_BUSY)} / {_sum(names.WORKER_SLOTS)}",
                unit="percentunit",
                steps=((ORANGE, 0.9),),
            ),
            number(
                "Longest silence",
                "Since the loop of the slowest worker last turned.",
                f"max({OF(names.WORKER_BEAT_AGE, _WORKER)})",
                unit="s",
                steps=((ORANGE, 10), (RED, 30)),
            ),
        ),
    )


def _by_pool() -> Row:
    def each(family: names.Family) -> str:
        return f"sum by (pool) ({by_pool(OF(family, _WORKER))})"

    return Row(
        9,
        (
            curves("Workers", "Workers that take and run tasks.", Query(each(names.WORKER_UP), "{{pool}}")),
            curves(
                "Slots",
                "How many there are, and how many are busy.",
                Query(each(names.WORKER_SLOTS), "{{pool}} slots"),
                Query(each(names.WORKER_BUSY), "{{pool}} busy"),
            ),
            curves(
                "Busy slots",
                "At 100% for long while messages wait: more workers would help.",
                Query(f"{each(names.WORKER_BUSY)} / {each(names.WORKER_SLOTS)}", "{{pool}}"),
                unit="percentunit",
                most=1,
            ),
        ),
    )


def _workers() -> Panel:
    def each(family: names.Family) -> Query:
        return Query(f"max by (worker) ({OF(family, _WORKER)})")

    return table(
        "Workers",
        "Every worker, as it is now.",
        ("up", each(names.WORKER_UP), "bool_yes_no"),
        ("slots", each(names.WORKER_SLOTS), "short"),
        ("busy", each(names.WORKER_BUSY), "short"),
        ("silent for", each(names.WORKER_BEAT_AGE), "s"),
        key="worker",
    )
