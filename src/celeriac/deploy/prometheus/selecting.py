"""Selecting: a series of a metric in PromQL, by names and labels that the metric has."""

from __future__ import annotations

from celeriac.observe.metrics.names import Family

#: pool and number of a worker, like "web-1@host"
WORKER = "(.+)-[0-9]+@.*"


class Selector:
    """Writes selectors of one job's series.

    job: as PromQL compares it, like `="shop"`.
    """

    def __init__(self, job: str) -> None:
        self._job = job

    def __call__(self, family: Family, *wanted: str, part: str = "") -> str:
        """Select series of a metric.

        wanted: comparisons of labels, like `state="ready"`.
        part: of a histogram: "bucket", "count" or "sum".
        Raises: ValueError if the metric has no such label or part.
        """
        has = {*family.labels, *(("le",) if part == "bucket" else ())}
        for each in wanted:
            if each.partition("=")[0].rstrip("!") not in has:
                raise ValueError(f"{family.name} has no label for {each}")
        if bool(part) != (family.kind == "histogram"):
            raise ValueError(f"{family.name} is a {family.kind}, which has no part {part!r}")
        name = family.name + ("_total" if family.kind == "counter" else f"_{part}" if part else "")
        return f"{name}{{{','.join((f'job{self._job}', *wanted))}}}"

    def recorded(self, name: str, *wanted: str) -> str:
        """Select what a rule has worked out."""
        return f"{name}{{{','.join((f'job{self._job}', *wanted))}}}"

    @property
    def up(self) -> str:
        """Select whether scrapes are answered."""
        return f"up{{job{self._job}}}"


def by_pool(expression: str) -> str:
    """Give each of a worker's series the label `pool`."""
    return f'label_replace({expression}, "pool", "$1", "worker", "{WORKER}")'
