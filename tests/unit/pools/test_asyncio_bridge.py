"""The bridge between blocking code and the event loop: values, errors, contexts, cancellation."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from greenlet import getcurrent

from celeriac.errors import TaskError
from celeriac.pools.asyncio.bridge import Bridge, Crossing
from celeriac.tasks.coroutines import run_to_end

WHO = contextvars.ContextVar("WHO", default="nobody")


def cross(function, translate=lambda error: error):
    """Run blocking code on the bridge, as the pool does."""

    async def crossing():
        return await Crossing(Bridge(function), translate)

    return crossing()


async def add(x, y):
    await asyncio.sleep(0.001)
    return x + y


def test_blocking_code_gets_what_its_coroutine_returns():
    assert asyncio.run(cross(lambda: run_to_end(add(1, 2)) * 10)) == 30


def test_many_wait_at_once():
    async def all_at_once():
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(cross(lambda: run_to_end(asyncio.sleep(0.2))) for _ in range(500)))
        return loop.time() - began

    assert asyncio.run(all_at_once()) < 5  # one after the other they take 100 s


def test_what_a_coroutine_raises_comes_out_where_it_was_called():
    async def fail():
        await asyncio.sleep(0)
        raise KeyError("lost")

    def blocking():
        with pytest.raises(KeyError, match="lost"):
            run_to_end(fail())
        return "caught"

    assert asyncio.run(cross(blocking)) == "caught"


def test_blocking_code_sees_no_running_loop_and_may_run_its_own():
    def blocking():
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return asyncio.run(add(2, 3)), run_to_end(add(4, 5))

    assert asyncio.run(cross(blocking)) == (5, 9)


def test_a_coroutine_sees_the_loop_and_its_own_task():
    async def look():
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            return asyncio.current_task() is not None

    assert asyncio.run(cross(lambda: run_to_end(look())))


def test_a_timeout_inside_ends_what_is_awaited():
    async def hurry():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        return "went on"

    assert asyncio.run(cross(lambda: run_to_end(hurry()))) == "went on"


def test_contexts_are_copied_in_and_never_leak_out():
    def blocking(name):
        async def coroutine():
            assert WHO.get() == name
            await asyncio.sleep(0.001)
            assert WHO.get() == name

        assert WHO.get() == "everybody"
        WHO.set(name)
        run_to_end(coroutine())
        return WHO.get()

    async def two():
        WHO.set("everybody")
        names = await asyncio.gather(cross(lambda: blocking("ann")), cross(lambda: blocking("bob")))
        return names, WHO.get()

    assert asyncio.run(two()) == (["ann", "bob"], "everybody")


def test_each_has_a_greenlet_of_its_own_through_all_awaits():
    async def look(seen):
        seen.append(getcurrent())
        await asyncio.sleep(0.001)
        seen.append(getcurrent())

    async def two():
        one, other = [], []
        await asyncio.gather(cross(lambda: run_to_end(look(one))), cross(lambda: run_to_end(look(other))))
        return one, other

    one, other = asyncio.run(two())
    assert one[0] is one[1]
    assert other[0] is other[1]
    assert one[0] is not other[0]


def test_a_cancellation_arrives_as_what_it_is_translated_to():
    class Limit(Exception):
        pass

    def blocking():
        try:
            run_to_end(asyncio.sleep(60))
        except Limit:
            return "tidied up"

    async def cancelled():
        task = asyncio.ensure_future(cross(blocking, lambda _: (task.uncancel(), Limit())[1]))
        await asyncio.sleep(0.01)
        task.cancel()
        return await task

    assert asyncio.run(cancelled()) == "tidied up"


@pytest.mark.parametrize("on_loop", [True, False])
def test_a_coroutine_that_something_cancels_is_a_failure_and_not_an_end_of_the_slot(on_loop):
    async def cancel_oneself():
        raise asyncio.CancelledError

    def blocking():
        with pytest.raises(TaskError, match="cancelled from within"):
            run_to_end(cancel_oneself())
        return True

    assert asyncio.run(cross(blocking)) if on_loop else blocking()


def test_without_a_pool_a_coroutine_has_a_loop_to_itself():
    assert run_to_end(add(5, 6)) == 11
