"""What a plan says of rates."""

import re
from datetime import timedelta

import pytest

from celeriac.errors import PlanError
from celeriac.plan import Plan, Policy, check, read_plan
from celeriac.plan.schema import json_schema
from celeriac.units import Rate, rate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10/s", Rate(10, timedelta(seconds=1))),
        ("100/m", Rate(100, timedelta(minutes=1))),
        ("1000000/h", Rate(1_000_000, timedelta(hours=1))),
    ],
)
def test_a_rate_is_a_number_for_each_second_minute_or_hour(text, said):
    assert rate(text) == said


BAD = [
    "100",
    "0/m",
    "x/s",
    "5/d",
    "",
    "1.5/s",
    "-1/s",
    "1000001/s",
    "10 / s",
    "10/S",
    "10/sec",
    "10/s\n",
    "١/s",
]


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match="not a rate"):
        rate(text)
    (problem,) = check(Plan(tasks={"a": Policy(rate=text)}))
    assert problem.code in ("PLAN-160", "PLAN-011")


def test_a_rate_is_read_from_a_file_and_a_bad_one_is_named_with_its_line(tmp_path):
    path = tmp_path / "celeriac.toml"
    path.write_text('[tasks."shop.search"]\nrate = "100/m"\n')
    assert read_plan(path, environ={}).tasks["shop.search"].rate == "100/m"
    path.write_text('[tasks."shop.search"]\nqueue = "default"\nrate = "5/d"\n')
    with pytest.raises(PlanError) as raised:
        read_plan(path, environ={})
    (problem,) = [each for each in raised.value.problems if each.code == "PLAN-160"]
    assert problem.at is not None
    assert "celeriac.toml:3" in problem.at
    assert problem.known == ("10/s", "100/m", "1000/h")
    assert problem.fix is not None
    path.write_text('[tasks."shop.search"]\nrate = 100\n')
    with pytest.raises(PlanError, match="PLAN-011"):
        read_plan(path, environ={})


def test_a_rate_that_other_machines_cannot_share_is_warned_of():
    policies = {"a": Policy(rate="10/s")}
    (problem,) = check(Plan(tasks=policies, broker="amqp://h"))
    assert (problem.code, problem.severity) == ("PLAN-161", "warning")
    assert check(Plan(tasks=policies, broker="amqp://h", coordination="redis://h")) == []
    assert check(Plan(tasks=policies, broker="redis://h")) == []


def test_an_editor_knows_the_form_of_a_rate_and_takes_a_variable():
    policy = json_schema()["properties"]["tasks"]["additionalProperties"]["properties"]["rate"]
    patterns = [each["pattern"] for each in policy["anyOf"]]
    assert any(re.search(each, "100/m") for each in patterns)
    assert any(re.search(each, "${SEARCH_RATE:-100/m}") for each in patterns)
    assert not any(re.search(each, "5/d") or re.search(each, "100") for each in patterns)
