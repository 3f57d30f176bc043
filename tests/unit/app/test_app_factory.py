"""Making an app from a plan, and giving an existing one the same."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import weakref
from datetime import timedelta
from pathlib import Path

import celery
import pytest
from celery import Celery, shared_task
from kombu import Queue as KombuQueue

import celeriac
from celeriac.app.reference import PAGE, page
from celeriac.app.settings import SETTINGS
from celeriac.errors import AppError, PlanError
from celeriac.plan import Sending, Spool


def plan(**parts: object) -> celeriac.Plan:
    return celeriac.Plan(**{"name": "shop", "broker": "memory://", "results": "cache+memory://", **parts})


def adopted(app: Celery | None = None, **parts: object) -> Celery:
    return celeriac.adopt(app or Celery("shop", set_as_current=False), plan(**parts))


def test_an_app_is_a_real_celery_app_with_production_settings():
    app = celeriac.create_app(plan())
    assert type(app) is Celery
    assert (app.main, app.conf.broker_url) == ("shop", "memory://")
    for setting in SETTINGS:
        assert app.conf[setting.name] == setting.value, setting.name
    assert celery.current_app.main == "shop"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_one_that_celery_knows(setting):
    assert setting.name in celery.app.defaults.SETTING_KEYS


def test_what_the_team_sets_wins_wherever_it_sets_it():
    class Config:
        task_acks_late = False

    given = celeriac.create_app(plan(), task_acks_late=False, broker_url="memory://elsewhere")
    assert (given.conf.task_acks_late, given.conf.broker_url) == (False, "memory://elsewhere")

    before = Celery("shop", broker="memory://own", set_as_current=False)
    before.conf.task_acks_late = False
    adopted(before)
    assert (before.conf.task_acks_late, before.conf.broker_url) == (False, "memory://own")

    after = adopted()
    after.config_from_object(Config)
    assert after.conf.task_acks_late is False
    assert after.conf.task_reject_on_worker_lost is True

    configured = Celery("shop", set_as_current=False)
    configured.conf.task_acks_late = False
    assert configured.conf.task_serializer == "json"  # reads the configuration
    adopted(configured)
    assert (configured.conf.task_acks_late, configured.conf.worker_prefetch_multiplier) == (False, 1)


def test_settings_with_a_namespace_or_an_old_name_are_the_teams_too():
    class Django:
        CELERY_TASK_ACKS_LATE = False

    namespaced = Celery("shop", set_as_current=False)
    namespaced.config_from_object(Django, namespace="CELERY")
    assert adopted(namespaced).conf.task_acks_late is False


def test_a_setting_that_celery_does_not_have_is_refused_with_the_nearest():
    with pytest.raises(AppError, match="task_acks_late") as refused:
        celeriac.create_app(plan(), task_ack_late=True)
    assert refused.value.code == "APP-001"


def test_queues_of_the_plan_are_declared_and_others_refused():
    app = adopted(queues={"high": celeriac.Queue(), "low": celeriac.Queue()})
    queues: dict[str, KombuQueue] = app.amqp.queues
    assert sorted(queues) == ["high", "low"]
    assert (queues["low"].exchange.name, queues["low"].routing_key) == ("low", "low")
    assert app.conf.task_default_queue == "high"
    with pytest.raises(celery.exceptions.QueueNotFound):
        app.amqp.router.route({"queue": "thumbs"}, "shop.add")


def test_without_declared_queues_celery_makes_them_as_ever():
    assert adopted().amqp.router.route({"queue": "thumbs"}, "shop.add")["queue"].name == "thumbs"


def test_a_task_goes_where_its_policy_says_unless_the_caller_or_the_team_says_otherwise():
    queues = {name: celeriac.Queue() for name in ("default", "low", "high")}
    own = Celery("shop", set_as_current=False)
    own.conf.task_routes = {"shop.vip.*": "high"}
    app = adopted(own, queues=queues, tasks={"shop.*": celeriac.Policy(queue="low", priority=3)})

    @app.task(name="other.add", policy=celeriac.Policy(queue="high"), shared=False)
    def add():
        pass

    def goes(name: str, **options: object) -> tuple[str, object]:
        route = app.amqp.router.route(options, name, task_type=app.tasks.get(name))
        return route["queue"].name, route.get("priority")

    assert goes("shop.add") == ("low", 3)
    assert goes("shop.add", queue="default", priority=9) == ("default", 9)
    assert goes("shop.vip.add") == ("high", None)
    assert goes("other.add") == ("high", None)
    assert goes("nobody.knows") == ("default", None)


def test_schedules_of_the_plan_are_beats():
    app = adopted(
        queues={"default": celeriac.Queue(), "low": celeriac.Queue()},
        schedules={
            "daily": celeriac.Schedule(task="shop.report", cron="0  9 * * mon-fri", args=(1,)),
            "often": celeriac.Schedule(task="shop.poll", every=timedelta(seconds=30), queue="low"),
        },
    )
    daily, often = app.conf.beat_schedule["daily"], app.conf.beat_schedule["often"]
    assert daily["schedule"].slots.text == "0 9 * * mon-fri UTC"
    assert (daily["task"], daily["args"]) == ("shop.report", (1,))
    assert (often["schedule"].slots.text, often["options"]) == ("every 30s", {"queue": "low"})


def test_sqlite_paths_are_taken_from_the_plans_folder_and_nothing_is_made_yet(tmp_path, monkeypatch):
    (tmp_path / "celeriac.toml").write_text(
        '[celeriac]\nname = "shop"\n[queues.low]\nmax_length = 5\nwhen_full = "reject"\n[letters]\nafter = 7\n'
    )
    deeper = tmp_path / "deeper"
    deeper.mkdir()
    monkeypatch.chdir(deeper)
    app = celeriac.create_app()
    assert app.conf.broker_url == f"sqlite:///{tmp_path}/.celeriac/broker.db"
    assert app.conf.result_backend == f"sqlite:///{tmp_path}/.celeriac/results.db"
    assert app.conf.broker_transport_options == {
        "before_acks": "celeriac.backends.gathering:GATHERED",
        "letters_queue": "celeriac.dead",
        "letters_after": 8,
        "queues": {"low": {"max_length": 5, "when_full": "reject"}},
    }
    assert not (tmp_path / ".celeriac").exists()


def test_without_a_plan_file_the_defaults_are_around_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert celeriac.create_app().conf.broker_url == f"sqlite:///{tmp_path}/.celeriac/broker.db"


def test_a_plan_that_does_not_hold_is_refused_at_once(tmp_path):
    (tmp_path / "celeriac.toml").write_text("[queue.low]\n")
    with pytest.raises(PlanError):
        celeriac.create_app(tmp_path / "celeriac.toml")


def test_what_is_no_celery_app_is_not_adopted():
    with pytest.raises(AppError) as refused:
        celeriac.adopt("proj.celery:app")  # type: ignore[arg-type]
    assert refused.value.code == "APP-002"


def test_an_app_is_adopted_once():
    app = adopted()
    assert celeriac.adopt(app) is app
    assert len(app.conf.task_routes) == 1
    with pytest.raises(AppError) as refused:
        adopted(app)
    assert refused.value.code == "APP-007"


def test_adopting_keeps_the_teams_own_task_class():
    class Own(celery.Task):
        pass

    app = Celery("shop", task_cls=Own, set_as_current=False)
    adopted(app)

    @app.task(name="add", shared=False)
    def add():
        pass

    app.finalize()
    assert isinstance(add, Own)
    assert not isinstance(add, celeriac.Task)
    assert add.Request == "celeriac.tasks.request:Request"


def test_shared_tasks_take_the_base_class_of_the_app():
    app = adopted(tasks={"shop.shared": celeriac.Policy(priority=4)})

    @shared_task(name="shop.shared")
    def shared():
        pass

    app.finalize()
    assert isinstance(app.tasks["shop.shared"], celeriac.Task)
    assert app.tasks["shop.shared"].priority == 4


def test_an_app_that_was_pickled_still_follows_its_plan():
    app = adopted(
        tasks={"add": celeriac.Policy(retry=celeriac.Retry(limit=9))}, queues={"low": celeriac.Queue()}
    )
    assert app.conf.task_acks_late
    again = pickle.loads(pickle.dumps(app))

    @again.task(name="add", shared=False)
    def add():
        pass

    assert (again.conf.task_acks_late, add.max_retries) == (True, 9)
    assert again.amqp.router.route({}, "add")["queue"].name == "low"


def test_the_settings_that_operators_see_hold_no_password():
    app = adopted(broker="redis://:hunter2@broker/0", results="redis://:hunter2@broker/1")
    assert "hunter2" not in str(app.conf.table())
    assert "hunter2" not in app.conf.humanize()


def test_tasks_bound_before_the_app_was_adopted_are_named(caplog):
    app = Celery("shop", broker="memory://", set_as_current=False)

    @app.task(name="shop.early", shared=False)
    def early():
        pass

    app.finalize()
    adopted(app)
    assert "shop.early" in caplog.text
    assert early.policy == celeriac.Policy()


def test_a_celeriac_task_of_an_app_without_a_plan_is_refused_when_a_worker_would_start():
    from celeriac.tasks.runtime import runtime_of

    with pytest.raises(AppError, match="adopt") as refused:
        runtime_of(Celery("shop", set_as_current=False))
    assert refused.value.code == "APP-020"


def test_the_page_of_settings_is_current():
    assert PAGE.read_text() == page(), "run: python -m celeriac.app.reference"


def test_importing_celeriac_imports_neither_celery_nor_a_database():
    slow = "import sys, celeriac; print([name for name in ('celery', 'sqlalchemy', 'msgspec') if name in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", slow], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert said.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in celeriac.__all__:
        assert getattr(celeriac, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        celeriac.nonsense  # noqa: B018


def test_an_app_is_made_without_importing_a_database():
    made = (
        "import sys, celeriac; from celeriac.plan import Plan; celeriac.create_app(Plan(name='shop'));"
        "print('sqlalchemy' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False", "it takes every worker 15 MB and every command a tenth of a second"


@pytest.mark.parametrize("sending", [Sending(), Sending(spool=Spool())], ids=["plain", "with a spool"])
def test_an_app_that_nobody_uses_any_more_is_let_go(sending: Sending, tmp_path: Path):
    app = adopted(sending=sending, folder=tmp_path)
    assert app.conf.broker_url == "memory://"
    gone = weakref.ref(app)
    app.close()
    del app
    gc.collect()
    assert gone() is None
