"""Whether and when a failed task is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import Celery
from celery.exceptions import Ignore, Reject, Retry
from hypothesis import given
from hypothesis import strategies as st

import celeriac
from celeriac.errors import AppError
from celeriac.tasks.retry import Died, exception_classes, next_delay


def shop(**tasks: celeriac.Policy) -> Celery:
    plan = celeriac.Plan(name="shop", broker="memory://", results="cache+memory://", tasks=tasks)
    return celeriac.adopt(Celery("shop", set_as_current=False), plan)


QUICK = celeriac.Retry(limit=2, backoff=timedelta(0), on=("builtins.OSError",))


def test_delays_double_up_to_the_cap():
    policy = celeriac.Retry(backoff=timedelta(seconds=1), cap=timedelta(seconds=10), jitter=False)
    assert [next_delay(attempt, policy, 0.5).total_seconds() for attempt in range(1, 7)] == [
        1,
        2,
        4,
        8,
        10,
        10,
    ]


def test_full_jitter_draws_evenly_from_zero_to_the_ceiling():
    policy = celeriac.Retry(backoff=timedelta(seconds=8))
    assert next_delay(1, policy, 0.0) == timedelta(0)
    assert next_delay(1, policy, 0.25) == timedelta(seconds=2)
    assert next_delay(2, policy, 0.25) == timedelta(seconds=4)


@given(
    attempt=st.integers(1, 10**6),
    backoff=st.timedeltas(timedelta(0), timedelta(days=400)),
    cap=st.timedeltas(timedelta(0), timedelta(days=400)),
    jitter=st.booleans(),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_no_delay_passes_the_cap(attempt, backoff, cap, jitter, draw):
    policy = celeriac.Retry(backoff=backoff, cap=cap, jitter=jitter)
    assert timedelta(0) <= next_delay(attempt, policy, draw) <= cap + timedelta(milliseconds=1)


def test_an_eager_task_is_retried_to_its_limit_and_raises_its_own_error():
    app, runs = shop(), []

    @app.task(shared=False, name="flaky", policy=celeriac.Policy(retry=QUICK))
    def flaky():
        runs.append(flaky.request.retries)
        raise ConnectionError("gone")

    result = flaky.apply()
    assert (runs, result.state) == ([0, 1, 2], "FAILURE")
    assert isinstance(result.result, ConnectionError)


def test_without_a_limit_a_task_is_retried_past_celerys_own():
    app, runs = shop(), []

    @app.task(
        shared=False,
        name="flaky",
        policy=celeriac.Policy(retry=celeriac.Retry(limit=None, backoff=timedelta(0))),
    )
    def flaky():
        runs.append(1)
        if len(runs) < 8:
            raise ValueError

    assert flaky.apply().state == "SUCCESS"
    assert len(runs) == 8


def test_a_task_called_directly_raises_what_it_raised():
    app = shop()

    @app.task(shared=False, name="flaky", policy=celeriac.Policy(retry=QUICK))
    def flaky(error):
        raise error

    for error in (OSError("gone"), MemoryError("full"), SystemExit(3)):
        with pytest.raises(type(error)):
            flaky(error)


@pytest.mark.parametrize("said", [Ignore(), Reject("no"), Retry("later")])
def test_what_a_task_says_to_celery_passes_untouched(said):
    app, runs = shop(), []

    @app.task(shared=False, name="says", policy=celeriac.Policy(retry=celeriac.Retry(backoff=timedelta(0))))
    def says():
        runs.append(1)
        raise said

    says.apply()
    assert len(runs) == 1


def test_celerys_own_autoretry_keeps_working():
    app, runs = shop(), []

    @app.task(shared=False, name="own", autoretry_for=(KeyError,), max_retries=4, default_retry_delay=0)
    def own():
        runs.append(1)
        raise KeyError("x")

    own.apply()
    assert len(runs) == 5


def test_a_bound_task_keeps_its_signature_and_its_self():
    app = shop()

    @app.task(shared=False, name="bound", bind=True, policy=celeriac.Policy(retry=QUICK))
    def bound(self, x):
        return self.name, x

    assert bound.apply((1,)).result == ("bound", 1)
    with pytest.raises(TypeError):
        bound.delay()


def test_memory_errors_and_exits_are_told_apart_from_failures_only_in_a_worker():
    app = shop()

    @app.task(shared=False, name="big")
    def big():
        raise MemoryError("big")

    big.push_request(called_directly=False, is_eager=False)
    try:
        with pytest.raises(Died):
            big.run()
    finally:
        big.pop_request()


def test_an_exception_of_pythons_own_needs_no_module():
    assert exception_classes(("OSError", "decimal.Inexact"))[0] is OSError


def test_names_of_exceptions_are_imported_when_needed_and_refused_with_a_code():
    assert exception_classes(("builtins.OSError", "json.JSONDecodeError"))[0] is OSError
    with pytest.raises(AppError) as refused:
        exception_classes(("smtplib.NoSuchError",))
    assert refused.value.code == "APP-021"
    with pytest.raises(AppError) as refused:
        exception_classes(("builtins.len",))
    assert refused.value.code == "APP-022"
