"""What a plan says of results, task by task."""

from datetime import timedelta

import pytest

from celeriac.errors import PlanError
from celeriac.plan import Plan, Policy, TaskResults, check, read_plan


def codes(asked: TaskResults, **plan: object) -> list[str]:
    return [problem.code for problem in check(Plan(tasks={"a": Policy(results=asked)}, **plan))]


def test_what_becomes_of_results_is_read_from_a_file(tmp_path):
    path = tmp_path / "celeriac.toml"
    path.write_text(
        '[tasks."shop.report.*"]\nresults = { expires = "10m", compression = "gzip" }\n'
        '[tasks."shop.ping"]\nresults = { ignore = true }\n'
    )
    tasks = read_plan(path, environ={}).tasks
    assert tasks["shop.report.*"].results == TaskResults(expires=timedelta(minutes=10), compression="gzip")
    assert tasks["shop.ping"].results == TaskResults(ignore=True)


def test_an_unknown_compression_is_refused_with_the_known_ones(tmp_path):
    path = tmp_path / "celeriac.toml"
    path.write_text('[tasks."a"]\nresults = { compression = "rar" }\n')
    with pytest.raises(PlanError, match="gzip"):
        read_plan(path, environ={})


@pytest.mark.parametrize(
    "results", ["", "sqlite:///r.db", "redis://h/1", "postgresql://h/db", "postgresql+psycopg://h/db"]
)
def test_our_backends_tell_tasks_apart(results):
    assert codes(TaskResults(expires=timedelta(seconds=1)), results=results) == []


def test_others_keep_all_alike_but_ignore_what_is_to_be_ignored():
    asked = TaskResults(expires=timedelta(seconds=1), compression="gzip")
    assert codes(asked, results="db+postgresql://h/db") == ["PLAN-141", "PLAN-141"]
    assert codes(asked, results="rpc://") == ["PLAN-141", "PLAN-141"]
    assert codes(TaskResults(ignore=True), results="rpc://") == []


def test_results_beside_a_broker_that_may_come_to_be_used_are_judged_by_each(tmp_path):
    asked = TaskResults(expires=timedelta(seconds=1))
    assert codes(asked, brokers=("redis://h", "sqlite:///b.db")) == []


def test_what_is_ignored_neither_expires_nor_is_packed():
    assert codes(TaskResults(ignore=True, expires=timedelta(seconds=1))) == ["PLAN-140"]
    assert codes(TaskResults(ignore=True, compression="none")) == ["PLAN-140"]
