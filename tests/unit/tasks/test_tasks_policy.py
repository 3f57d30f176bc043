"""How a policy takes hold of a task."""

from __future__ import annotations

from datetime import timedelta

import celery
import pytest
from celery import Celery

import celeriac
from celeriac import Policy
from celeriac.errors import AppError
from celeriac.tasks.policy import REQUEST, STRATEGY, apply_policies, overlaid


def shop(**tasks: Policy) -> Celery:
    plan = celeriac.Plan(name="shop", broker="memory://", results="cache+memory://", tasks=tasks)
    return celeriac.adopt(Celery("shop", set_as_current=False), plan)


def test_the_plan_wins_over_the_decorator_field_by_field():
    plan = celeriac.Plan(tasks={"shop.*": Policy(priority=9, expires=timedelta(hours=1))})
    declared = Policy(priority=1, time_limit=timedelta(seconds=30))
    assert overlaid(plan, "shop.add", declared) == Policy(
        priority=9, expires=timedelta(hours=1), time_limit=timedelta(seconds=30)
    )


def test_a_policy_sets_what_celery_reads_from_a_task():
    app = shop(
        add=Policy(
            priority=7,
            expires=timedelta(minutes=1),
            time_limit=timedelta(seconds=9),
            soft_time_limit=timedelta(seconds=8),
            retry=celeriac.Retry(limit=None),
        )
    )

    @app.task(shared=False, name="add")
    def add():
        pass

    assert (add.priority, add.expires, add.time_limit, add.soft_time_limit, add.max_retries) == (
        7,
        60,
        9,
        8,
        None,
    )


def test_a_task_with_celerys_own_base_class_follows_the_policy_too():
    app, runs = (
        shop(
            add=Policy(retry=celeriac.Retry(limit=1, backoff=timedelta(0)), time_limit=timedelta(seconds=9))
        ),
        [],
    )

    @app.task(shared=False, name="add", base=celery.Task)
    def add():
        runs.append(1)
        raise ValueError

    app.finalize()
    assert (add.Request, add.Strategy, add.time_limit) == (REQUEST, STRATEGY, 9)
    add.apply()
    assert len(runs) == 2
    assert celery.Task.Request == "celery.worker.request:Request"
    assert celery.Task.time_limit is None


def test_applying_policies_again_changes_nothing():
    app = shop(add=Policy(retry=celeriac.Retry()))

    @app.task(shared=False, name="add", base=celery.Task)
    def add():
        pass

    app.finalize()
    before = (add.run, dict(vars(add)))
    apply_policies(app)
    assert (add.run, dict(vars(add))) == before


def test_a_request_class_of_the_teams_own_is_kept_and_owes_letters_too():
    from celery.worker.request import Request as CeleryRequest

    from celeriac.tasks.blend import blend_requests
    from celeriac.tasks.request import Request

    class Own(CeleryRequest):
        def on_success(self, failed__retval__runtime, **kwargs):
            return super().on_success(failed__retval__runtime, **kwargs)

    app = shop()

    @app.task(shared=False, name="add", base=celery.Task, Request=Own)
    def add():
        pass

    app.finalize()
    blend_requests(app)
    assert issubclass(add.Request, Own)
    assert issubclass(add.Request, Request)


def test_a_rate_in_code_that_is_none_stops_the_worker_before_it_takes_a_task():
    app = shop()

    @app.task(name="shop.search", shared=False, policy=Policy(rate="5/d"))
    def search():
        return None

    app.finalize()
    with pytest.raises(AppError) as refused:
        apply_policies(app)
    assert refused.value.code == "APP-024"
    assert "shop.search" in refused.value.message
