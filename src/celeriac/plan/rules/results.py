"""What becomes of results: per task, where the backend can tell the tasks apart."""

from __future__ import annotations

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped
from celeriac.plan.rules.addresses import scheme_of

#: the backends of ours
TELLING_TASKS_APART = ("sqlite", "redis", "rediss", "redis+socket", "sentinel", "postgresql", "postgres")


def judge(plan: Plan, report: Report) -> None:
    """Report what a policy asks of results that are not stored, or that the backend would not do."""
    # What was left out follows the broker, and each of these may come to be used.
    follows = "results" in plan.beside_broker
    stores = (
        [plan.on(url, "").results for url in plan.candidates] if follows and plan.brokers else [plan.results]
    )
    others = [kind for kind in map(_kind, stores) if kind not in TELLING_TASKS_APART]
    for glob, policy in plan.tasks.items():
        asked = policy.results
        if asked is None:
            continue
        for key in ("expires", "compression"):
            if getattr(asked, key) is None:
                continue
            if asked.ignore:
                report.add(
                    ("tasks", glob, "results", key),
                    "PLAN-140",
                    f"the results of these tasks are ignored, so {key} would say nothing.",
                    fix=f"remove {key}, or ignore",
                    needs=[("tasks", glob, "results", "ignore")],
                )
            elif others:
                report.add(
                    ("tasks", glob, "results", key),
                    "PLAN-141",
                    f'results of the kind "{clipped(others[0])}" are kept alike for all tasks.',
                    known=TELLING_TASKS_APART,
                    fix=f"keep results in one of these, or write result_{key} for all tasks in [celery]",
                    needs=[("results",), ("broker",)],
                )


def _kind(url: str) -> str:
    """Give the scheme of a URL of results: one of ours may name its driver, like postgresql+psycopg."""
    scheme = scheme_of(url)
    return "postgresql" if scheme == "postgresql+psycopg" else scheme
