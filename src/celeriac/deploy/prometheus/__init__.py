"""Prometheus: what it scrapes, what it works out, when it wakes somebody, and the proof that it does.

In: a plan with `[metrics]`. Out: a scrape configuration, rules, promtool's tests of every alert, and the same as
objects of the Prometheus operator. One module for each thing that is watched (`queues`, `tasks`, `workers`,
`schedules`) gives a `Group`; an alert stands there beside the numbers that make it fire and those that do not.
"""

from celeriac.deploy.prometheus.files import render

__all__ = ["render"]
