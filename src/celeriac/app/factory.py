"""Making a Celery app from a plan, and giving an existing one the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.app.defaults import SETTING_KEYS
from kombu.connection import Connection as KombuConnection

from celeriac.app.brokers import choose_or_first
from celeriac.app.casting import cast_consumer
from celeriac.app.grace import SOFT_SHUTDOWN, grant_grace_once
from celeriac.app.planned import beat_schedule, task_queues, transport_options
from celeriac.app.routes import Router
from celeriac.app.securing import secure
from celeriac.app.settings import settings_for
from celeriac.app.urls import absolute
from celeriac.backends import BACKENDS
from celeriac.deadletters import LetterPost
from celeriac.errors import AppError
from celeriac.events import emit
from celeriac.flow import Flow
from celeriac.observe import observe
from celeriac.observe.task_events import send_task_events
from celeriac.plan import Plan, find_plan, read_plan, verify
from celeriac.tasks.decompression import bound_decompression
from celeriac.tasks.policy import apply_policies
from celeriac.tasks.runtime import POLICIES_SETTING, Runtime, policies_only, runtime_of, settle
from celeriac.tasks.sending.amqp import drain_in_workers
from celeriac.transports.connection import Connection
from celeriac.transports.location import locate

#: base class that Celery gives tasks -> ours; Celery chooses by the framework it finds itself in
_TASKS = {
    Celery.task_cls: "celeriac.tasks.task:Task",
    "celery.contrib.django.task:DjangoTask": "celeriac.integrations.django.task:Task",
}
_CONSUMER = "celeriac.tasks.consumer:Consumer"
_AMQP = "celeriac.tasks.sending.amqp:AMQP"


def create_app(plan: Plan | Path | str | None = None, **conf: Any) -> Celery:
    """Make a Celery app as a plan says, with production settings.

    plan: a plan, or the path of one; None takes celeriac.toml from the working folder or above, else the defaults.
    conf: Celery settings by their lowercase names; they win over the plan and over our settings.
    Nothing is connected to or created on disk before it is first used.
    Raises: PlanError with all problems of the plan; AppError if there is no such setting.
    """
    plan = _resolve(plan)
    _require_settings(conf, "create_app()")
    app = Celery(plan.name)
    app.task_cls = _TASKS.get(app.task_cls, app.task_cls)
    app.conf.update(conf)
    return _equip(app, plan)


def adopt(app: Celery, plan: Plan | Path | str | None = None) -> Celery:
    """Give an existing Celery app the same; what it has configured itself stays. Returns: the same app.

    plan: as in `create_app`.
    Call it before the app's tasks are used: a task that is already bound keeps the settings it was bound with.
    Raises: PlanError with all problems of the plan; AppError if `app` is no Celery app, or has another plan already.
    """
    if not isinstance(app, Celery):
        raise AppError(
            "APP-002",
            f"a {type(app).__name__} cannot be adopted",
            at="adopt()",
            fix="give it the Celery app itself",
        )
    if isinstance(getattr(app, "celeriac", None), Runtime):
        if plan is None:
            return app
        raise AppError(
            "APP-007",
            f'the app "{app.main}" has a plan already',
            at="adopt()",
            fix="adopt it once, with the plan it is to have",
        )
    app.task_cls = _TASKS.get(app.task_cls, app.task_cls)
    return _equip(app, _resolve(plan))


def _require_settings(names: Iterable[str], at: str) -> None:
    for name in names:
        if name not in SETTING_KEYS:
            close = get_close_matches(name, sorted(SETTING_KEYS), n=1)
            raise AppError(
                "APP-001",
                f'Celery has no setting "{name}"',
                at=at,
                known=close,
                fix=f'write "{close[0]}"' if close else "see Celery's configuration reference",
            )


def _resolve(plan: Plan | Path | str | None) -> Plan:
    if isinstance(plan, Plan):
        return verify(plan)
    path = Path(plan) if plan is not None else find_plan(Path.cwd())
    return read_plan(path) if path is not None else Plan(folder=Path.cwd())


def _equip(app: Celery, plan: Plan) -> Celery:
    """Hang plan and sink on the app, and complete its settings when Celery reads them."""
    _require_settings(plan.celery, f"{plan.source}, [celery]" if plan.source else "Plan.celery")
    settle(app, Runtime(plan, LetterPost(app, plan.letters.queue), Flow(plan)))
    if app.amqp_cls == Celery.amqp_cls and "amqp" not in vars(app):
        app.amqp_cls = _AMQP
    if plan.sending.spool is not None:
        drain_in_workers(app)
    secure(app, plan)
    app.conf[POLICIES_SETTING] = policies_only(plan)
    # In every process: the recorder reads what workers could not unpack.
    bound_decompression()
    observe(app, plan)
    signals.worker_init.connect(cast_consumer, weak=False, dispatch_uid="celeriac.app.casting")
    if plan.records is not None:
        send_task_events(app)

    # Celery reads the team's own configuration at first use, perhaps long after this; what it says is known only then.
    def complete(**_: Any) -> None:
        _complete(app, plan)

    def enrol(**_: Any) -> None:
        apply_policies(app)

    events: Any = app
    events.on_after_configure.connect(complete, weak=False)
    events.on_after_finalize.connect(enrol, weak=False)
    if app.configured:
        complete()
    if app.finalized:
        enrol()
        _warn_of_early_tasks(app)
    return app


def _warn_of_early_tasks(app: Celery) -> None:
    """Say which tasks took Celery's early ack before the app was adopted: Celery reads it once, when it binds them."""
    early = [
        name for name, task in app.tasks.items() if not task.acks_late and not name.startswith("celery.")
    ]
    if early and app.conf.task_acks_late:
        emit("app", "app.early_tasks", tasks=", ".join(sorted(early)))


def _complete(app: Celery, plan: Plan) -> None:
    conf = app.conf
    if plan.brokers and not conf.value_set_for("broker_url"):
        plan = choose_or_first(plan)
        settle(app, replace(runtime_of(app), plan=plan, gate=Flow(plan)))
    settings: dict[str, Any] = {
        **settings_for(plan),
        "broker_url": absolute(plan.broker, plan.folder),
        "result_backend": absolute(plan.results, plan.folder),
        "worker_consumer": _CONSUMER,
        **plan.celery,
    }
    if plan.queues:
        settings["task_queues"] = task_queues(plan)
    if not conf.value_set_for(SOFT_SHUTDOWN):
        grant_grace_once(app)
    for name, value in settings.items():
        if not conf.value_set_for(name):
            conf[name] = value
        elif name in ("broker_url", "result_backend") and plan.source and conf[name] != value:
            emit("app", "app.overrules_plan", setting=name, plan=str(plan.source))
    conf.include = [*conf.include, *(name for name in plan.imports if name not in conf.include)]
    conf.task_routes = [*_routes(conf.task_routes), Router(policies_only(plan))]
    conf.beat_schedule = {**beat_schedule(plan), **conf.beat_schedule}
    # Celery asks the loader before its own table of backends, so that other apps of this process keep stock's.
    app.loader.override_backends = {**BACKENDS, **app.loader.override_backends}
    located = locate(conf.broker_url or "")
    if located is not None and not conf.value_set_for("broker_transport"):
        conf.broker_transport = located.transport
        if located.url != conf.broker_url:
            conf.broker_url = located.url
    # A team, or its plan, may have named another transport for that broker, Celery's own among them.
    is_ours = located is not None and conf.broker_transport == located.transport
    if is_ours and app.amqp.Connection is KombuConnection:
        app.amqp.Connection = Connection
    if is_ours or (conf.broker_url and conf.broker_url.startswith("sqlite:")):
        conf.broker_transport_options = {**transport_options(plan), **conf.broker_transport_options}


def _routes(configured: Any) -> list[Any]:
    """Give `task_routes` as a list, whichever of its forms the team has used."""
    if not configured:
        return []
    return list(configured) if isinstance(configured, list | tuple) else [configured]
