"""The files of Prometheus: scraping, rules, their tests, and the operator's objects."""

from __future__ import annotations

from celeriac.deploy.prometheus import operator, proofs, queues, rules, schedules, scraping, tasks, workers
from celeriac.deploy.prometheus.rules import Group
from celeriac.deploy.yaml import dump, dump_all
from celeriac.errors import DeployError
from celeriac.plan import Metrics, Plan

_RULES = "rules.yaml"


def render(plan: Plan) -> dict[str, str]:
    """Give scrape.yaml, rules.yaml, rules-test.yaml, and operator.yaml for a cluster.

    Raises: DeployError DEPLOY-030 if the plan serves no metrics.
    """
    metrics = metrics_of(plan)
    every = groups(plan)
    written = rules.document(plan, every)
    head = f"{plan.name}: written by `celeriac render prometheus`. Change the plan and render again."
    return {
        "scrape.yaml": dump(scraping.document(plan, metrics), head),
        _RULES: dump(written, head),
        "rules-test.yaml": dump(
            proofs.document(plan, every, _RULES), f"{head}\npromtool test rules rules-test.yaml"
        ),
        "operator.yaml": dump_all(operator.objects(plan, metrics, written), head),
    }


def metrics_of(plan: Plan) -> Metrics:
    """Give the plan's metrics.

    Raises: DeployError DEPLOY-030 if it has none.
    """
    if plan.metrics is None:
        raise DeployError(
            "DEPLOY-030",
            f'the plan "{plan.name}" serves no metrics, so there is nothing to watch',
            at=str(plan.source) if plan.source else None,
            fix="add the table [metrics]",
        )
    return plan.metrics


def groups(plan: Plan) -> tuple[Group, ...]:
    """Give every rule of a plan."""
    found = [queues.group(plan), tasks.group(plan), workers.group(plan)]
    if plan.schedules or plan.beat.replicas:
        found.append(schedules.group(plan))
    return tuple(found)
