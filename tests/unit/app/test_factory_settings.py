"""The plan's [celery] in an app: over Celeriac's settings, under the team's own."""

import pytest
from celery import Celery

from celeriac import Plan, adopt, create_app
from celeriac.errors import AppError


def test_a_setting_of_the_plan_wins_over_celeriacs_and_an_apps_own_wins_over_it(tmp_path):
    plan = Plan(folder=tmp_path, celery={"task_acks_late": False, "worker_prefetch_multiplier": 4})
    assert create_app(plan).conf.task_acks_late is False
    own = Celery("own")
    own.conf.worker_prefetch_multiplier = 2
    adopt(own, plan)
    assert (own.conf.worker_prefetch_multiplier, own.conf.task_acks_late) == (2, False)


def test_a_setting_celery_does_not_know_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(AppError) as caught:
        create_app(Plan(folder=tmp_path, celery={"task_ack_late": False}))
    assert caught.value.code == "APP-001"
    assert caught.value.at == "Plan.celery"
    assert 'write "task_acks_late"' in str(caught.value)
