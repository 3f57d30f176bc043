"""Who watches: metrics and alerts, Flower, traces, Sentry."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from celeriac.plan.marks import Duration, Range, Secret


class Tracing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traces from send to run, by OpenTelemetry; needs the extra `otel`. Without this table nothing is traced.

    endpoint: where spans are sent, OTLP over HTTP, like "http://127.0.0.1:4318"; empty: where the app's own
        provider sends them.
    sample: of how many in a hundred traces spans are kept.
    """

    endpoint: str = ""
    sample: Annotated[int, Range(0, 100)] = 100


class Sentry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Failures for good, reported to Sentry; needs the extra `sentry`.

    dsn: the project's, by reference: "${SENTRY_DSN:-}"; empty: nothing is reported.
    environment: as Sentry shows it; empty: the environment laid over the plan, else "production".
    """

    dsn: str = ""
    environment: str = ""


class Flower(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Flower, started with the plan: Celery's web monitor, which shows workers and tasks and can revoke them.

    address: host and port it listens at; 0.0.0.0 lets other hosts in, and then wants `auth`.
    auth: "user:password", or several parted by commas; empty: everybody who reaches the address may do everything.
    url_prefix: the path it is found under behind a proxy, like "flower".
    pools: declared pools whose workers and tasks it shows; empty: all.
    broker_api: RabbitMQ's management API, like "http://user:password@host:15672", for its page of the broker.
    keep_history: whether it still knows, after a restart, the tasks and workers it has seen; at most the last ten
        seconds are lost when it is killed.
    """

    address: str = "127.0.0.1:5555"
    auth: Annotated[str, Secret()] = ""
    url_prefix: str = ""
    pools: tuple[str, ...] = ()
    broker_api: Annotated[str, Secret()] = ""
    keep_history: bool = False


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metrics and health, served by one process per host. Without this table nothing is counted or served.

    address: host and port it listens at; 0.0.0.0 lets other hosts in, and then wants `auth`.
    auth: "user:password" of who may scrape, or several parted by commas; empty: everybody who reaches the address.
    """

    address: str = "127.0.0.1:9540"
    auth: Annotated[str, Secret()] = ""


class Alerts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When `celeriac render prometheus` wakes somebody, where the plan does not say it elsewhere.

    failures: of a hundred ends of a task within ten minutes, how many may be failures.
    letters: dead letters of a queue that may wait for a decision.
    oldest_age: how long a message may wait in a queue that has no `max_wait`.
    saturated: how long all slots of a pool may be busy while messages wait.
    runbooks: the address, or folder, of the pages that say what to do, one for each alert.
    labels: labels that every alert carries, like a team, for whoever routes them.
    """

    failures: Annotated[int, Range(0, 100)] = 5
    letters: Annotated[int, Range(0, 1_000_000_000)] = 0
    oldest_age: Duration = timedelta(hours=1)
    saturated: Duration = timedelta(minutes=15)
    runbooks: str = "docs/runbooks"
    labels: dict[str, str] = {}
