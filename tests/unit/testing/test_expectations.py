"""Assertions on what happened say what was there instead."""

from __future__ import annotations

import datetime

import pytest

from celeriac.testing import Expect, Retrying, Sending


def sending(task="shop.pay", **fields):
    return Sending(**{"task": task, "id": "1", "args": [], "kwargs": {}, "queue": "default", **fields})


def expect(*entries):
    return Expect("sent", lambda: list(entries), within=0)


def test_tasks_are_matched_by_name_glob_or_themselves():
    class Task:
        name = "shop.pay"

    sent = expect(sending(), sending("shop.mail"))
    assert sent.one(Task) == sent.one("shop.pay")
    assert len(sent.all("shop.*")) == 2
    assert len(sent.times(2)) == 2
    sent.none("other.*")


def test_fields_are_compared_as_they_come_out_of_json():
    day = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    sent = expect(sending(args=[1, [2]], kwargs={"at": day}))
    sent.one(args=(1, (2,)), kwargs={"at": day})
    sent.none(args=(1, 2))


def test_an_exception_may_be_a_class_or_the_end_of_its_name():
    entry = Retrying(
        task="shop.pay", id="1", args=[], kwargs={}, retry=1, exception="builtins.ValueError", message="no"
    )
    retried = Expect("retried", lambda: [entry], within=0)
    for wanted in (ValueError, "ValueError", "builtins.ValueError"):
        retried.one(exception=wanted)
    for wanted in (KeyError, "Error", "alueError"):
        retried.none(exception=wanted)


def test_a_failing_assertion_lists_what_there_was():
    with pytest.raises(AssertionError) as raised:
        expect(sending(args=[5]), sending("shop.mail")).one("shop.pay", args=(6,), queue="low")
    said = str(raised.value).splitlines()
    assert said[0] == "expected 1 sent, found 0: shop.pay, args=(6,), queue='low'"
    assert "shop.pay id='1' args=[5]" in said[2]
    assert said[2].endswith("<- differs in args, queue")
    assert "differs" not in said[3]
    with pytest.raises(AssertionError, match="nothing was sent"):
        expect().one()


def test_a_field_that_does_not_exist_is_an_error_and_no_mismatch():
    with pytest.raises(TypeError, match="queue"):
        expect(sending()).none(que="low")


def test_it_waits_for_what_a_worker_does():
    asked = []

    def read():
        asked.append(1)
        return [sending()] if len(asked) > 3 else []

    Expect("sent", read, within=5).one("shop.pay")
    assert len(asked) > 3
