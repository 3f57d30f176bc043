"""`celeriac.breaker` around code that is no task."""

import asyncio
from datetime import timedelta

import pytest

import celeriac
from celeriac.errors import AppError, BreakerOpen
from celeriac.plan import Breaker, Plan, Policy


@pytest.fixture
def app(tmp_path):
    """The current app, with a plan that knows the breaker "ruled"."""
    ruled = Policy(breaker=Breaker(name="ruled", failures=1, on=("builtins.KeyError",)))
    app = celeriac.create_app(
        Plan(folder=tmp_path, broker="memory://", results="cache+memory://", tasks={"shop.ruled": ruled})
    )
    app.set_current()
    yield app
    app.close()


def fail(breaker: celeriac.breaker, error: type[Exception] = OSError) -> None:
    with pytest.raises(error), breaker:
        raise error("down")


def test_a_block_is_not_run_while_it_is_open(app):
    smtp = celeriac.breaker("smtp", failures=2)
    fail(smtp)
    fail(smtp)
    with pytest.raises(BreakerOpen) as refusal, celeriac.breaker("smtp"):
        pytest.fail("it ran")
    assert refusal.value.code == "FLOW-001"
    assert timedelta(seconds=50) < refusal.value.wait <= timedelta(seconds=66)


def test_a_function_is_guarded_by_the_decorator(app):
    @celeriac.breaker("smtp", failures=1)
    def send(address):
        """Send it."""
        raise OSError(address)

    with pytest.raises(OSError, match="ada"):
        send("ada")
    with pytest.raises(BreakerOpen):
        send("ada")
    assert (send.__name__, send.__doc__) == ("send", "Send it.")


def test_coroutines_that_interleave_are_guarded_each_by_itself(app):
    @celeriac.breaker("smtp", failures=2, on=ValueError)
    async def call(seconds, error=None):
        await asyncio.sleep(seconds)
        if error:
            raise error

    async def all_of_them():
        return await asyncio.gather(
            call(0.03, ValueError("late")),
            call(0.01),
            call(0.02, KeyError()),
            call(0.0),
            return_exceptions=True,
        )

    ended = asyncio.run(all_of_them())
    assert [type(it) for it in ended] == [ValueError, type(None), KeyError, type(None)]
    asyncio.run(call(0.0))  # one failure of the kind that counts: still closed
    with pytest.raises(ValueError, match="again"):
        asyncio.run(call(0.0, ValueError("again")))
    with pytest.raises(BreakerOpen):
        asyncio.run(call(0.0))


def test_what_the_plan_says_of_a_breaker_wins(app):
    ruled = celeriac.breaker("ruled", failures=99, on=OSError)
    fail(ruled, OSError)
    fail(ruled, KeyError)
    with pytest.raises(BreakerOpen), ruled:
        pytest.fail("it ran")


def test_breakers_can_be_within_each_other(app):
    with celeriac.breaker("outer"):
        fail(celeriac.breaker("inner", failures=1))
        with pytest.raises(BreakerOpen), celeriac.breaker("inner"):
            pytest.fail("it ran")
    with celeriac.breaker("outer"):
        pass


def test_an_eager_task_has_no_broker_to_wait_at_and_raises(app):
    @app.task(shared=False, name="shop.ruled")
    def ruled():
        raise KeyError("down")

    with pytest.raises(KeyError):
        ruled.apply(throw=True)
    with pytest.raises(BreakerOpen):
        ruled.apply(throw=True)
    with pytest.raises(KeyError):
        ruled()  # a direct call is a plain function call


def test_an_app_without_a_plan_has_no_breakers(app):
    from celery import Celery

    plain = Celery("plain", set_as_current=True)
    with pytest.raises(AppError, match="APP-033"), celeriac.breaker("smtp"):
        pytest.fail("it ran")
    plain.close()
