"""The triggers of a pool: where KEDA gets the number of its workers from, as [deploy].scaler says.

metrics-api  asks `/scale/POOL` of the plan's metrics process: ready and due messages of all queues and priorities, and
             the tasks that run, over the slots of a worker
prometheus   works the same number out of what Prometheus has scraped
rabbitmq     asks the broker for the ready messages of each queue; what runs is not counted
redis        asks the broker for the length of each list, one for each priority; what runs or comes due is not counted
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from celeriac.deploy.environment import PASSWORDS, told_by
from celeriac.deploy.kubernetes.objects import named, namespace, object_name
from celeriac.deploy.kubernetes.workloads import is_scaled
from celeriac.deploy.units import Unit, units
from celeriac.deploy.yaml import Note
from celeriac.errors import DeployError
from celeriac.plan import Plan, Scaler
from celeriac.plan.profiles import slots_of
from celeriac.transports.redis.keys import Keys

_HERE = ("localhost", "127.0.0.1", "::1")
#: the key of the secret that says where Redis is, where the plan says only that it is here
REDIS_ADDRESS = "REDIS_ADDRESS"


class Triggers(msgspec.Struct, frozen=True, kw_only=True):
    """What KEDA asks for a pool.

    formula: makes one number of several triggers, in messages; None: there is only one. target: messages for a worker.
    secrets: parameter of the authentication → key of the plan's secret.
    """

    triggers: list[dict[str, Any]]
    formula: str | None = None
    target: int = 1
    secrets: dict[str, str] = {}


def triggers(plan: Plan, unit: Unit) -> Triggers:
    """Give the triggers of a pool.

    Raises: DeployError DEPLOY-021 to 025 if the plan lacks what its scaler needs.
    """
    makers: dict[Scaler, Callable[[Plan, Unit], Triggers]] = {
        "metrics-api": _metrics_api,
        "prometheus": _prometheus,
        "rabbitmq": _rabbitmq,
        "redis": _redis,
    }
    return makers[plan.deploy.scaler](plan, unit)


def keys_of_secret(plan: Plan) -> tuple[str, ...]:
    """List the keys of the plan's secret that KEDA reads."""
    keys: dict[str, None] = {}
    for unit in units(plan):
        if unit.pool is not None and is_scaled(unit):
            keys.update(dict.fromkeys(triggers(plan, unit).secrets.values()))
    return tuple(keys)


def _metrics_api(plan: Plan, unit: Unit) -> Triggers:
    metrics = next((it for it in units(plan) if it.kind == "metrics"), None)
    if metrics is None or plan.metrics is None:
        raise DeployError(
            "DEPLOY-021",
            "the scaler asks the metrics process, and the plan has none",
            at="[deploy].scaler",
            fix="write [metrics], or choose another scaler",
        )
    trigger: dict[str, Any] = {
        "type": "metrics-api",
        "metadata": {
            "url": f"http://{object_name(plan, metrics)}.{namespace(plan)}.svc:{metrics.port}/scale/{unit.name}",
            "valueLocation": "workers",
            "targetValue": "1",
            "activationTargetValue": "0",
        },
    }
    filled = [it for it in plan.variables if "[metrics].auth" in it.at]
    if not filled:
        return Triggers(triggers=[trigger])
    if len(filled) > 1 or not filled[0].whole:
        raise DeployError(
            "DEPLOY-025",
            "the password of the metrics is made of several parts, so no key of a secret holds it",
            at="[metrics].auth",
            fix='write auth = "${METRICS_BASIC_AUTH:-}", and user:password into the variable',
        )
    trigger["metadata"]["authMode"] = "bearer"
    return Triggers(triggers=[_as_somebody(plan, trigger)], secrets={"token": filled[0].name})


def _prometheus(plan: Plan, unit: Unit) -> Triggers:
    if not plan.deploy.prometheus:
        raise DeployError(
            "DEPLOY-022",
            "the scaler asks Prometheus, and the plan does not say where it is",
            at="[deploy].scaler",
            fix='write prometheus = "http://prometheus.monitoring.svc:9090" in [deploy]',
        )
    trigger = {
        "type": "prometheus",
        "metadata": {
            "serverAddress": plan.deploy.prometheus,
            "query": query(plan, unit),
            "threshold": Note(str(_slots(plan, unit)), "slots of a worker"),
            "activationThreshold": "0",
            "ignoreNullValues": Note("false", "no data is no reason to stop anything"),
        },
    }
    return Triggers(triggers=[trigger])


def query(plan: Plan, unit: Unit) -> str:
    """Give the PromQL for what waits and what runs, in messages; no data if the queues are not scraped.

    Several processes may report the same queues, hence the maximum; busy slots are each worker's own.
    """
    assert unit.pool is not None
    queues = "|".join(map(_literally, unit.pool.queues))
    here = f'namespace="{namespace(plan)}"'
    ready = f'sum(max by (queue) (celeriac_queue_messages{{{here},queue=~"{queues}",state="ready"}}))'
    busy = f'sum(celeriac_worker_busy_slots{{{here},worker=~"{_literally(unit.name)}-[0-9]+@.+"}})'
    return f"{ready} + ({busy} or vector(0))"


def _rabbitmq(plan: Plan, unit: Unit) -> Triggers:
    _require_broker(plan, ("amqp", "amqps", "pyamqp"))
    assert unit.pool is not None
    asked = {
        name: {
            "protocol": "amqp",
            "queueName": name,
            "mode": "QueueLength",
            "activationValue": "0",
        }
        for name in unit.pool.queues
    }
    return _summed(plan, unit, "rabbitmq", "value", list(asked.values()), {"host": told_by(plan, "broker")})


def _redis(plan: Plan, unit: Unit) -> Triggers:
    _require_broker(plan, ("redis", "rediss"))
    assert unit.pool is not None
    parts = urlsplit(plan.broker)
    options = plan.celery.get("broker_transport_options")
    keys = Keys(str(options.get("global_keyprefix", "")) if isinstance(options, dict) else "")
    server: dict[str, Any] = {"databaseIndex": parts.path.strip("/") or "0"}
    secrets = {"password": PASSWORDS["redis"]}
    if parts.hostname in (*_HERE, None):
        secrets["address"] = REDIS_ADDRESS
    else:
        # A bare name is a service of the plan's namespace, where KEDA does not live.
        host = parts.hostname if "." in parts.hostname else f"{parts.hostname}.{namespace(plan)}.svc"
        server["address"] = f"{host}:{parts.port or 6379}"
    if parts.scheme == "rediss":
        server["enableTLS"] = "true"
    lists = [name for queue in unit.pool.queues for name in keys.lists(queue)]
    asked = [{**server, "listName": name, "activationListLength": "0"} for name in lists]
    return _summed(plan, unit, "redis", "listLength", asked, secrets)


def _summed(
    plan: Plan, unit: Unit, kind: str, target: str, asked: list[dict[str, Any]], secrets: dict[str, str]
) -> Triggers:
    """Make a trigger of each question, and one number of them all."""
    slots = _slots(plan, unit)
    made = [
        _as_somebody(plan, {"type": kind, "name": f"n{at}", "metadata": {**each, target: str(slots)}})
        for at, each in enumerate(asked)
    ]
    formula = " + ".join(each["name"] for each in made) if len(made) > 1 else None
    return Triggers(triggers=made, formula=formula, target=slots, secrets=secrets)


def _as_somebody(plan: Plan, trigger: dict[str, Any]) -> dict[str, Any]:
    return {**trigger, "authenticationRef": {"name": named(plan)}}


def _require_broker(plan: Plan, schemes: tuple[str, ...]) -> None:
    scheme = plan.broker.partition("://")[0]
    if scheme not in schemes:
        raise DeployError(
            "DEPLOY-023",
            f'the scaler "{plan.deploy.scaler}" asks the broker, and this one is "{scheme}"',
            at="[deploy].scaler",
            known=schemes,
            fix='choose the scaler "metrics-api", which asks every broker',
        )


def _slots(plan: Plan, unit: Unit) -> int:
    slots = slots_of(plan.pools[unit.name])
    if slots is None:
        raise DeployError(
            "DEPLOY-024",
            f'how many tasks a worker of pool "{unit.name}" runs at once is left to its host, so nobody can say how '
            "many workers its messages need",
            at=f"[pools.{unit.name}]",
            fix='write its concurrency, or choose the scaler "metrics-api"',
        )
    return slots


def _literally(text: str) -> str:
    return re.escape(text).replace("\\", "\\\\")
