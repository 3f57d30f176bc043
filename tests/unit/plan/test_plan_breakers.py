"""What a plan says of breakers."""

from datetime import timedelta

import pytest

from celeriac.plan import Breaker, Plan, Policy, check, read_plan

SMTP = Breaker(name="smtp")


def codes(**policies: Policy) -> list[str]:
    return [problem.code for problem in check(Plan(tasks=policies))]


def test_a_breaker_is_read_from_a_file(tmp_path):
    path = tmp_path / "celeriac.toml"
    path.write_text(
        '[tasks."shop.email.*"]\n'
        'breaker = { name = "smtp", failures = 5, window = "30s", cool_down = "60s", on = ["smtplib.SMTPException"] }\n'
    )
    assert read_plan(path, environ={}).tasks["shop.email.*"].breaker == Breaker(
        name="smtp",
        failures=5,
        window=timedelta(seconds=30),
        cool_down=timedelta(seconds=60),
        on=("smtplib.SMTPException",),
    )


def test_tasks_share_a_breaker_that_they_describe_alike():
    assert codes(a=Policy(breaker=SMTP), b=Policy(breaker=Breaker(name="smtp"))) == []


def test_two_descriptions_of_one_breaker_contradict_each_other():
    assert codes(a=Policy(breaker=SMTP), b=Policy(breaker=Breaker(name="smtp", failures=2))) == ["PLAN-070"]


@pytest.mark.parametrize("on", [(), ("ValueError",), ("builtins.ValueError", "no name")])
def test_what_a_breaker_counts_has_a_dotted_name(on):
    assert codes(a=Policy(breaker=Breaker(name="smtp", on=on))) == ["PLAN-071"]


def test_tasks_that_expire_while_they_wait_are_warned_of():
    hasty = Policy(breaker=SMTP, expires=timedelta(seconds=60))
    (problem,) = check(Plan(tasks={"a": hasty}))
    assert (problem.code, problem.severity) == ("PLAN-072", "warning")


def test_a_name_that_no_store_could_carry_is_refused():
    assert codes(a=Policy(breaker=Breaker(name="s" * 101))) == ["PLAN-074"]


def test_a_breaker_that_other_machines_cannot_share_is_warned_of():
    policies = {"a": Policy(breaker=SMTP)}
    for broker in ("amqp://h", "sentinel://h"):
        (problem,) = check(Plan(tasks=policies, broker=broker))
        assert (problem.code, problem.severity) == ("PLAN-073", "warning")
    assert check(Plan(tasks=policies, broker="amqp://h", coordination="redis://h")) == []
    assert check(Plan(tasks=policies, broker="redis://h")) == []
