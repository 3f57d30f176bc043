"""The pytest plugin, in the tests of a project of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop"]
broker = "redis://production.invalid:6379/0"

[queues.default]
[queues.low]
[queues.waiting]

[pools.web]
queues = ["default"]
executor = "solo"
[pools.slow]
queues = ["low"]
executor = "prefork"
concurrency = 1
[pools.loop]
queues = ["waiting"]
executor = "asyncio"

[tasks."shop.meet"]
queue = "waiting"
[tasks."shop.flaky"]
retry = { limit = 2, backoff = "10ms", on = ["builtins.ConnectionError"] }
[tasks."shop.pay"]
queue = "low"
"""

SHOP = """\
import asyncio
import os

from celery import chain, chord, group, shared_task

RUNS = []
MET = []


@shared_task(name="shop.pay")
def pay(amount):
    if amount < 0:
        raise ValueError(f"no such amount: {amount}")
    return amount


@shared_task(name="shop.flaky", bind=True)
def flaky(self, fails):
    if self.request.retries < fails:
        raise ConnectionError("away")
    return self.request.retries


@shared_task(name="shop.order")
def order(amount):
    RUNS.append("order begins")
    receipt.delay(amount)
    RUNS.append("order ends")


@shared_task(name="shop.receipt")
def receipt(amount):
    RUNS.append("receipt")


@shared_task(name="shop.total")
def total(amounts):
    return sum(amounts)


@shared_task(name="shop.where")
def where():
    return os.getpid()


@shared_task(name="shop.meet")
async def meet(others):
    MET.append(asyncio.current_task())
    while len(MET) < others:
        await asyncio.sleep(0.01)
    return len(MET)


@shared_task(name="shop.leave")
def leave():
    raise SystemExit(1)
"""

INLINE = """\
import datetime
import threading

import pytest
from celery import chain, chord, current_app, group

import shop


def test_a_send_has_run_when_it_returns(celeriac_sent, celeriac_letters, celeriac_retried):
    assert shop.pay.delay(5).get(timeout=1) == 5
    sent = celeriac_sent.one(shop.pay, args=(5,), queue="low")
    assert sent.id and sent.kwargs == {}
    celeriac_sent.one("shop.*")
    celeriac_retried.none()
    celeriac_letters.none()


def test_retries_and_letters_follow_the_plan(celeriac_sent, celeriac_retried, celeriac_letters):
    assert shop.flaky.delay(1).get(timeout=1) == 1
    celeriac_retried.one(shop.flaky, exception=ConnectionError, message="away", retry=1)
    failed = shop.flaky.delay(9)
    assert failed.state == "FAILURE"
    celeriac_retried.times(3, shop.flaky)
    letter = celeriac_letters.one(shop.flaky, exception="ConnectionError", reason="failed", attempts=3)
    assert letter.id == failed.id and letter.args == [9]
    celeriac_sent.times(2, shop.flaky)
    with pytest.raises(ConnectionError):
        failed.get(timeout=1)


def test_a_letter_can_be_replayed(celeriac_letters):
    shop.pay.delay(-1)
    assert celeriac_letters.replay(shop.pay) == 1
    celeriac_letters.one(state="replayed")
    celeriac_letters.one(state="waiting", exception=ValueError)


def test_what_a_task_sends_runs_after_it(celeriac_sent):
    shop.RUNS.clear()
    shop.order.delay(3)
    assert shop.RUNS == ["order begins", "order ends", "receipt"]
    celeriac_sent.one(shop.receipt, args=[3])


def test_canvas_works(celeriac_bench):
    assert chain(shop.pay.s(2), shop.pay.si(3))().get(timeout=1) == 3
    assert group(shop.pay.s(n) for n in range(3))().get(timeout=1) == [0, 1, 2]
    assert chord([shop.pay.s(n) for n in range(4)], shop.total.s())().get(timeout=1) == 6


def test_delays_do_not_wait_and_expiry_holds(celeriac_sent, celeriac_letters):
    assert shop.pay.apply_async((1,), countdown=3600, priority=7).get(timeout=1) == 1
    sent = celeriac_sent.one(priority=7)
    assert sent.eta is not None
    late = shop.pay.apply_async((2,), expires=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
    assert late.state == "REVOKED"
    celeriac_letters.none()


def test_a_task_that_leaves_becomes_poison(celeriac_letters):
    shop.leave.delay()
    celeriac_letters.one(shop.leave, reason="poison")


def test_sends_of_other_threads_run_too(celeriac_sent):
    thread = threading.Thread(target=shop.pay.delay, args=(8,))
    thread.start()
    thread.join()
    celeriac_sent.one(args=[8])


def test_tasks_of_others_are_only_noted(celeriac_bench, celeriac_sent):
    celeriac_bench.app.send_task("other.team", queue="low")
    celeriac_sent.one("other.team", queue="low")


def test_each_test_begins_with_nothing(celeriac_sent, celeriac_letters):
    assert len(celeriac_sent) == 0
    celeriac_letters.none()


def test_messages_say_what_was_there_instead(celeriac_sent):
    shop.pay.delay(5)
    with pytest.raises(AssertionError) as failure:
        celeriac_sent.one(shop.pay, args=(6,))
    said = str(failure.value)
    assert "expected 1 sent, found 0: shop.pay, args=(6,)" in said
    assert "shop.pay id=" in said and "differs in args" in said
    with pytest.raises(AssertionError, match="found 1"):
        celeriac_sent.none("shop.p*")
    with pytest.raises(TypeError, match="known: task, id, args"):
        celeriac_sent.one(shop.pay, argz=1)


@pytest.mark.celeriac
def test_a_marker_is_enough():
    assert shop.pay.delay(4).get(timeout=1) == 4
"""

WORKERS = """\
import os
import time

import pytest

import shop


@pytest.mark.celeriac("worker")
def test_on_a_worker_in_a_thread(celeriac_sent, celeriac_retried, celeriac_letters):
    assert shop.where.delay().get(timeout=10) == os.getpid()
    shop.flaky.delay(9)
    letter = celeriac_letters.one(shop.flaky, attempts=3)
    celeriac_retried.times(2, shop.flaky)
    celeriac_sent.one(shop.flaky, args=[9])
    assert celeriac_letters.replay() == 1
    celeriac_letters.times(2, shop.flaky)


@pytest.mark.celeriac("process")
def test_on_a_worker_process(celeriac_sent, celeriac_retried, celeriac_letters):
    assert shop.where.delay().get(timeout=10) != os.getpid()
    shop.order.delay(3)
    celeriac_sent.one(shop.receipt, args=[3])
    shop.flaky.delay(9)
    celeriac_retried.times(2, shop.flaky, within=10)
    celeriac_letters.one(shop.flaky)


@pytest.mark.celeriac("process", pool="slow")
def test_on_the_worker_of_a_pool():
    assert shop.pay.delay(1).get(timeout=10) == 1
    assert not shop.where.delay().ready()


@pytest.mark.celeriac("process", pool="loop")
def test_on_the_event_loop_of_a_pool():
    met = [shop.meet.delay(5) for _ in range(5)]
    assert [each.get(timeout=10) for each in met] == [5] * 5


def test_afterwards_inline_again(celeriac_sent):
    assert shop.where.delay().get(timeout=1) == os.getpid()
    assert "CELERY_BROKER_URL" in os.environ
    celeriac_sent.one()


def test_and_outside_of_it_nothing_is_left(celeriac_app):
    assert "CELERY_BROKER_URL" not in os.environ
    assert celeriac_app.conf.broker_url.startswith("sqlite:")
"""


@pytest.fixture
def shop(pytester):
    pytester.makefile(".toml", celeriac=PLAN)
    pytester.makepyfile(shop=SHOP)
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    return pytester


def run(pytester, *arguments):
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=100)


def test_tasks_run_inline_and_can_be_asserted_on(shop):
    shop.makepyfile(test_inline=INLINE)
    run(shop).assert_outcomes(passed=12)


def test_tasks_run_on_real_workers(shop):
    shop.makepyfile(test_workers=WORKERS)
    run(shop).assert_outcomes(passed=6)


def test_it_works_beside_celerys_own_plugin(shop):
    shop.makepyfile(
        test_both="""
        import shop

        def test_theirs(celery_app, celery_worker):
            @celery_app.task(name="theirs")
            def theirs():
                return "theirs"

            celery_worker.reload()
            assert theirs.delay().get(timeout=10) == "theirs"

        def test_ours(celeriac_sent):
            assert shop.pay.delay(1).get(timeout=1) == 1
            celeriac_sent.one(shop.pay)

        def test_theirs_again(celery_app):
            assert celery_app.conf.broker_url.startswith("memory:")
        """
    )
    # pytest-celery, which is loaded in the other tests, would want Docker for this fixture of the same name.
    run(shop, "-p", "no:celery", "-p", "celery.contrib.pytest").assert_outcomes(passed=3)


def test_what_cannot_be_set_up_is_said(shop):
    shop.makepyfile(shop=SHOP + "\nif 'CELERIAC_TESTING' in os.environ:\n    import nonsense_module\n")
    shop.makepyfile(
        test_wrong="""
        import pytest

        @pytest.mark.celeriac("eager")
        def test_mode():
            pass

        @pytest.mark.celeriac("process", pool="wob")
        def test_pool():
            pass

        @pytest.mark.celeriac("process")
        def test_start():
            pass
        """
    )
    result = run(shop)
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*TEST-001*eager*", "*TEST-004*wob*", "*TEST-003*", "*nonsense_module*"])
