"""Which policy governs a task."""

from __future__ import annotations

import pytest

from celeriac.plan import Plan, Policy, policy_for

GLOBS = [
    "*",
    "shop.*",
    "shop.email.*",
    "shop.*.send",
    "shop.email.send",
    "shop.email.sen?",
    "shop.[st]ock",
    "s*.stock",
]
PLAN = Plan(tasks={glob: Policy(queue=glob) for glob in GLOBS})


@pytest.mark.parametrize(
    ("task", "glob"),
    [
        ("shop.email.send", "shop.email.send"),
        ("shop.email.sent", "shop.email.sen?"),
        ("shop.email.queue.flush", "shop.email.*"),
        ("shop.sms.send", "shop.*.send"),
        ("shop.sms.fetch", "shop.*"),
        ("shop.tock", "shop.[st]ock"),
        ("stores.stock", "s*.stock"),
        ("Shop.email.send", "*"),
    ],
)
def test_the_most_exact_glob_wins(task, glob):
    assert policy_for(PLAN, task).queue == glob


def test_a_longer_beginning_wins_over_more_characters():
    plan = Plan(tasks={"*.email.send": Policy(queue="more"), "sh*": Policy(queue="longer")})
    assert policy_for(plan, "shop.email.send").queue == "longer"


def test_the_first_of_equally_exact_globs_wins():
    globs = {"a*b": Policy(queue="first"), "a?b": Policy(queue="second")}
    assert policy_for(Plan(tasks=globs), "axb").queue == "first"
    assert policy_for(Plan(tasks=dict(reversed(globs.items()))), "axb").queue == "second"


def test_a_set_of_characters_counts_as_one_wildcard():
    assert (
        policy_for(Plan(tasks={"a[bcd]e": Policy(queue="set"), "a?be": Policy(queue="more")}), "abbe").queue
        == "more"
    )


def test_an_entry_is_taken_whole():
    plan = Plan(tasks={"*": Policy(queue="low", priority=3), "a.*": Policy(priority=9)})
    assert policy_for(plan, "a.b") == Policy(priority=9)


def test_a_task_that_nothing_matches_has_an_empty_policy():
    assert policy_for(Plan(), "a") == Policy()
