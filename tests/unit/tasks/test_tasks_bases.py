"""The base classes of tasks, and hooks, without a worker."""

from __future__ import annotations

import logging

import pytest

import celeriac
from celeriac.errors import NotNow
from celeriac.plan import Letters, Plan, Policy, Retry, check
from celeriac.tasks.bases import DOUBLING, HEAVY, LIGHT, STEADY
from celeriac.tasks.retry import next_delay


@pytest.fixture
def app(tmp_path):
    app = celeriac.create_app(Plan(broker="memory://", results="cache+memory://", folder=tmp_path))
    yield app
    app.close()


def delays_s(retry: Retry, attempts: int, draw: float = 1.0) -> list[float]:
    return [next_delay(attempt, retry, draw).total_seconds() for attempt in range(1, attempts + 1)]


def test_the_presets_wait_as_they_say():
    assert (HEAVY.limit, delays_s(HEAVY, 3)) == (3, [1, 2, 4])
    assert (LIGHT.limit, delays_s(LIGHT, 9)) == (None, [1, 2, 4, 8, 16, 32, 60, 60, 60])
    assert delays_s(LIGHT, 8, draw=0.5) == [0.5, 1, 2, 4, 8, 16, 30, 30], "jitter"
    assert (DOUBLING.limit, delays_s(DOUBLING, 3, draw=0.1)) == (3, [60, 120, 240])
    assert (STEADY.limit, delays_s(STEADY, 3, draw=0.1)) == (3, [60, 60, 60])


def test_a_base_gives_its_policy_and_the_task_its_own_wins(app):
    @app.task(shared=False, base=celeriac.HeavyTask)
    def heavy(): ...

    @app.task(shared=False, base=celeriac.LightTask)
    def light(): ...

    @app.task(shared=False, base=celeriac.HeavyTask, policy=Policy(retry=DOUBLING))
    def patient(): ...

    assert (heavy.policy.retry, heavy.max_retries) == (HEAVY, 3)
    assert (light.policy.retry, light.max_retries) == (LIGHT, None)
    assert patient.policy.retry == DOUBLING


def test_how_a_run_ends_is_logged_with_its_values_as_fields(app, caplog):
    @app.task(shared=False, base=celeriac.ReportingTask, name="shop.work")
    def work(fails):
        if fails:
            raise ValueError("no")

    with caplog.at_level(logging.INFO, "celeriac.tasks"):
        work.apply((False,), task_id="a")
        work.apply((True,), task_id="b")
    ended = [
        (it.event, it.levelname, it.fields)
        for it in caplog.records
        if getattr(it, "event", "").startswith("task.")
    ]
    assert ended == [
        ("task.succeeded", "INFO", {"task": "shop.work", "task_id": "a", "queue": "", "attempt": 1}),
        (
            "task.failed",
            "ERROR",
            {"task": "shop.work", "task_id": "b", "queue": "", "attempt": 1, "error": "ValueError('no')"},
        ),
    ]


def test_each_retry_is_logged_once(app, caplog):
    class Quick(celeriac.ReportingTask):
        policy = Policy(retry=Retry(limit=1, backoff=HEAVY.backoff * 0))

    @app.task(shared=False, base=Quick)
    def by_policy():
        raise ValueError("no")

    @app.task(shared=False, base=celeriac.ReportingTask, bind=True, max_retries=1)
    def by_itself(self):
        raise self.retry(exc=ValueError("no"), countdown=0)

    by_policy.apply()
    by_itself.apply()
    events = [it.event for it in caplog.records if getattr(it, "event", "").startswith("task.")]
    assert events == ["task.retrying", "task.failed", "task.retried", "task.failed"]


def test_a_handler_that_raises_does_not_break_its_task(app, caplog):
    class Clumsy(celeriac.HeavyTask):
        def on_success(self, *args):
            super().on_success(*args)
            raise RuntimeError("oops")

    @app.task(shared=False, base=Clumsy)
    def work():
        return "done"

    ended = work.apply()
    assert (ended.state, ended.result) == ("SUCCESS", "done")
    (failed,) = [it for it in caplog.records if getattr(it, "event", "") == "hook.failed"]
    assert failed.fields["hook"].endswith("Clumsy.on_success")


class Watch(celeriac.Hooks):
    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def on_start(self, run):
        self.seen.append(("start", run.task, run.attempt))

    def on_success(self, run, result):
        self.seen.append(("success", run.args, dict(run.kwargs), result))

    def on_retry(self, run, error):
        self.seen.append(("retry", repr(error)))

    def on_failure(self, run, error):
        self.seen.append(("failure", repr(error)))


def test_hooks_are_called_at_their_moments(app):
    watch = celeriac.add_hooks(app, Watch())

    @app.task(shared=False, name="shop.add")
    def add(x, y=1):
        return x + y

    @app.task(shared=False, name="shop.fail", policy=Policy(retry=Retry(limit=1, backoff=HEAVY.backoff * 0)))
    def fail():
        raise ValueError("no")

    add.apply((1,), {"y": 2})
    fail.apply()
    assert watch.seen == [
        ("start", "shop.add", 1),
        ("success", (1,), {"y": 2}, 3),
        ("start", "shop.fail", 1),
        ("retry", "ValueError('no')"),
        ("start", "shop.fail", 2),
        ("failure", "ValueError('no')"),
    ]


def test_a_hook_that_raises_keeps_neither_the_task_nor_the_other_hooks(app, caplog):
    class Broken(celeriac.Hooks):
        def on_start(self, run):
            raise RuntimeError("oops")

    celeriac.add_hooks(app, Broken())
    watch = celeriac.add_hooks(app, Watch())

    @app.task(shared=False)
    def work():
        return "done"

    assert work.apply().result == "done"
    assert [it[0] for it in watch.seen] == ["start", "success"]
    assert len([it for it in caplog.records if getattr(it, "event", "") == "hook.failed"]) == 1


def test_a_hook_that_does_not_admit_a_run_keeps_it_from_running(app):
    class Guard(celeriac.Hooks):
        def admit(self, run):
            if run.args == ("forged",):
                raise PermissionError("not by you")
            if run.args == ("early",):
                raise NotNow("SHOP-001", "not before nine")

    celeriac.add_hooks(app, Guard())
    ran = []

    @app.task(shared=False)
    def work(word):
        ran.append(word)

    assert isinstance(work.apply(("forged",)).result, PermissionError)
    with pytest.raises(NotNow):
        work.apply(("early",), throw=True)
    work.apply(("fine",))
    assert ran == ["fine"]


def test_hooks_of_one_app_hear_nothing_of_another(app, tmp_path):
    watch = celeriac.add_hooks(app, Watch())
    other = celeriac.create_app(
        Plan(name="other", broker="memory://", results="cache+memory://", folder=tmp_path)
    )

    @other.task(shared=False)
    def work(): ...

    work.apply()
    other.close()
    assert watch.seen == []


def test_the_handler_of_letters_is_a_task_that_exists():
    plan = Plan(letters=Letters(handler="shop.handle_dead_letter"))
    assert [it.code for it in check(plan, ["shop.other"])] == ["PLAN-084"]
    assert check(plan, ["shop.handle_dead_letter"]) == []
    assert check(plan) == []
