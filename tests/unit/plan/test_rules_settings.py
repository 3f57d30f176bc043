"""[celery]: settings of Celery that have no key of their own in a plan."""

import pytest

from celeriac.errors import PlanError
from celeriac.plan import Plan, check, read_plan


def test_settings_are_read_as_they_are_written(tmp_path):
    file = tmp_path / "celeriac.toml"
    file.write_text('[celery]\ntask_acks_late = false\ntask_compression = "${HOW:-gzip}"\n')
    assert read_plan(file, environ={}).celery == {"task_acks_late": False, "task_compression": "gzip"}


def test_they_stand_in_a_table_of_their_own_in_a_pyproject_too(tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.celeriac]\nname = "shop"\n[tool.celeriac.celery]\ntask_acks_late = false\n')
    assert read_plan(file, environ={}).celery == {"task_acks_late": False}


def test_what_a_plan_says_by_a_key_of_its_own_is_not_said_twice(tmp_path):
    file = tmp_path / "celeriac.toml"
    file.write_text('[celeriac]\nname = "shop"\n\n[celery]\nbroker_url = "redis://"\n')
    with pytest.raises(PlanError) as caught:
        read_plan(file, environ={})
    assert caught.value.problems[0].code == "PLAN-120"
    assert caught.value.problems[0].at == f"{file}:5, [celery].broker_url"
    assert "[celeriac].broker" in str(caught.value)


def test_a_plan_in_python_is_judged_the_same():
    assert [problem.code for problem in check(Plan(celery={"task_routes": {}}))] == ["PLAN-120"]
