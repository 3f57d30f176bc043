"""A Flask project with the extension: its app, the context of its tasks, its command line, a real worker."""

from __future__ import annotations

import json

import pytest
from flask import Flask, current_app, g, has_app_context

from celeriac.errors import AppError, IntegrationError, PlanError
from celeriac.integrations.flask import Celeriac

PLAN = """\
[celeriac]
name = "shop"

[queues.default]
[queues.low]

[pools.web]
queues = ["default", "low"]
executor = "solo"

[tasks."shop.fail"]
queue = "low"
retry = { limit = 0 }
"""

SHOP = """\
from celery import shared_task
from flask import Flask, current_app

from celeriac.integrations.flask import Celeriac

celeriac = Celeriac()


@shared_task(name="shop.greet")
def greet(name):
    return f"{current_app.config['GREETING']} {name}"


@shared_task(name="shop.fail")
def fail():
    raise ValueError(current_app.name)


def create_app():
    app = Flask(__name__)
    app.config["GREETING"] = "hello"
    app.config["CELERY"] = {"task_send_sent_event": True}
    celeriac.init_app(app)

    @app.post("/greet/<name>")
    def send(name):
        return {"id": greet.delay(name).id, "value": greet.delay(name).get(timeout=20)}

    return app
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "celeriac.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_extension_gives_an_application_its_celery_app(folder):
    app = Flask("shop", root_path=str(folder))
    app.config["CELERY"] = {"task_ignore_result": True}
    extension = Celeriac(app)
    celery = app.extensions["celery"]
    assert app.extensions["celeriac"] is extension
    assert (celery.main, celery.celeriac.plan.name) == ("shop", "shop")
    assert (celery.conf.task_ignore_result, celery.conf.task_acks_late) == (True, True)
    assert set(celery.amqp.queues) == {"default", "low"}


def test_a_task_runs_in_a_context_of_its_own(folder):
    app = Flask("shop", root_path=str(folder))
    celery = Celeriac().init_app(app)

    @celery.task(name="shop.seen")
    def seen():
        g.count = g.get("count", 0) + 1
        return [current_app.name, g.count]

    assert not has_app_context()
    assert seen.apply().get() == ["shop", 1]
    assert seen() == ["shop", 1]
    with app.app_context():
        g.count = 5
        assert seen() == ["shop", 6], "called directly, it is part of what calls it"
        assert seen.apply().get() == ["shop", 1]
        assert g.count == 6
    assert not has_app_context()


def test_an_existing_celery_app_is_adopted_once(folder):
    from celery import Celery

    own = Celery("own", set_as_current=False)
    app = Flask("shop", root_path=str(folder))
    assert Celeriac(app, celery=own) and app.extensions["celery"] is own
    assert own.celeriac.plan.name == "shop"
    with pytest.raises(AppError, match="APP-007"):
        Celeriac(Flask("second", root_path=str(folder)), celery=own)


def test_a_plan_may_stand_in_the_configuration(tmp_path):
    app = Flask("shop", root_path=str(tmp_path))
    app.config["CELERIAC"] = {"name": "inline", "queues": {"default": {}}}
    assert Celeriac().init_app(app).celeriac.plan.name == "inline"
    app.config["CELERIAC"] = {"name": "inline", "queues": {"default": {"max_weight": 1}}}
    with pytest.raises(PlanError, match="max_weight"):
        Celeriac().init_app(app)
    app.config["CELERIAC"] = "celeriac.toml"
    with pytest.raises(IntegrationError, match="WEB-003"):
        Celeriac().init_app(app)


def test_flask_celeriac_runs_the_workers_of_an_application_factory(project, eventually):
    made = project(plan=PLAN)
    made.write("shop.py", SHOP)
    up = made.start("flask", "--app", "shop", "celeriac", "up")
    up.wait_for_log("ready: ", within=60)
    client = "import shop, json; print(json.dumps(shop.create_app().test_client().post('/greet/you').json))"
    sent = made.run("python", "-c", client, within=60)
    assert json.loads(sent.stdout)["value"] == "hello you", sent.stderr

    made.run("flask", "--app", "shop", "celeriac", "send", "shop.fail")
    eventually(lambda: "became letter" in up.log, within=60)
    listed = made.run("flask", "--app", "shop", "celeriac", "dead", "list", "--json")
    assert '"shop.fail"' in listed.stdout, listed.stderr
    assert made.run("flask", "--app", "shop", "celeriac", "nonsense").returncode == 2
    assert "Usage: celeriac" in made.run("flask", "--app", "shop", "celeriac", "--help").stdout
    assert up.stop(within=60) == 0, up.log
