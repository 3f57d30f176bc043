"""The exposition: counts and readings, as Prometheus's families."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from celeriac.observe.metrics import names
from celeriac.observe.metrics.names import COUNTED, DERIVED, Family
from celeriac.observe.samples import Key, Values

#: what a collector yields for one family: label values → values
Rows = dict[tuple[str, ...], Values]
#: readings of one scrape, by family
Readings = dict[Family, Rows]


class Exposition(Collector):
    """Gives all families of one scrape.

    counts: sums the books of all processes.
    readings: gives what is read at the moment.
    """

    def __init__(self, counts: Callable[[], dict[Key, Values]], readings: Callable[[], Readings]) -> None:
        self._counts = counts
        self._readings = readings

    def registry(self) -> CollectorRegistry:
        """Give a registry with this collector alone: what else the process counts is none of the host's."""
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand, so that registering reads no broker."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read everything once, and give it family by family."""
        counted = self._counted()
        for family in COUNTED:
            yield metric(family, counted[family])
        for family, rows in derived(counted).items():
            yield metric(family, rows)
        for family, rows in self._readings().items():
            yield metric(family, rows)

    def _counted(self) -> Readings:
        found: dict[str, Rows] = {family.name: {} for family in COUNTED}
        for (name, *labels), values in self._counts().items():
            if name in found:
                found[name][tuple(labels)] = values
        return {family: found[family.name] for family in COUNTED}


def metric(family: Family, rows: Rows) -> Metric:
    """Make one family; rows that do not fit it, of another release, are left out."""
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.says, labels=family.labels)
        for labels, values in rows.items():
            if len(values) == len(family.buckets) + 2 and len(labels) == len(family.labels):
                counts = accumulate(values[:-1])
                bounds = [*map(floatToGoString, family.buckets), "+Inf"]
                histogram.add_metric(labels, list(zip(bounds, counts, strict=True)), values[-1])
        return histogram
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    single = make(family.name, family.says, labels=family.labels)
    for labels, values in rows.items():
        if len(values) == 1 and len(labels) == len(family.labels):
            single.add_metric(labels, values[0])
    return single


def derived(counted: Readings) -> Readings:
    """Work out the `celery_…` metrics from our own."""
    out: Readings = {family: {} for family in DERIVED}
    for labels, values in counted[names.SUBMISSIONS].items():
        _add(out[names.CELERY_SUBMISSIONS], labels[:1], values)
    for ours, theirs in (
        (names.COMPLETIONS, names.CELERY_COMPLETIONS),
        (names.FAILURES, names.CELERY_FAILURES),
        (names.RETRIES, names.CELERY_RETRIES),
        (names.RUN, names.CELERY_DURATION),
    ):
        for labels, values in counted[ours].items():
            _add(out[theirs], labels, values)
            status = names.STATUSES.get(ours.name)
            if status:
                _add(out[names.CELERY_TASKS], (status,), values)
                _add(out[names.CELERY_PROCESSED], (*labels, status), values)
    return out


def _add(rows: Rows, labels: tuple[str, ...], values: Values) -> None:
    before = rows.get(labels, (0.0,) * len(values))
    rows[labels] = tuple(a + b for a, b in zip(before, values, strict=True))
