"""The plan: what a team declares once, with its tables in `celeriac.plan.tables`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

from celeriac.plan.marks import OneOrMore
from celeriac.plan.meeting import meeting_place
from celeriac.plan.tables.deploying import Deploy
from celeriac.plan.tables.logs import Logs
from celeriac.plan.tables.observing import Alerts, Flower, Metrics, Sentry, Tracing
from celeriac.plan.tables.pools import Pool
from celeriac.plan.tables.queues import Queue
from celeriac.plan.tables.records import Letters, Records
from celeriac.plan.tables.schedules import Beat, Schedule
from celeriac.plan.tables.security import Security
from celeriac.plan.tables.sending import Sending
from celeriac.plan.tables.tasks import Policy


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of the environment that a plan reads.

    default: what it is when unset; None: the places that read it do not agree on one.
    required: some place has no default for it, so it must be set.
    at: the keys it fills in, like "[flower].auth".
    secret: one of them is a secret, or an address that holds a password.
    whole: at every place it is all of the value, not a part of it.
    """

    name: str
    default: str | None = None
    required: bool = False
    at: tuple[str, ...] = ()
    secret: bool = False
    whole: bool = True


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole declaration, with environments and variables already resolved.

    name: what the app is called.
    app: dotted path of an existing Celery app ("proj.celery:app"); None: Celeriac makes one named `name`.
    imports: modules that define tasks.
    broker: URL of the broker; sqlite, redis, rediss, redis+socket, sentinel, amqp, amqps, pyamqp, sqs, memory or
        filesystem. Of several, the first that can be reached at start is used; after that nothing is switched.
    results: URL of the result backend, like postgresql://; empty: beside the broker (SQLite and Redis), else
        `.celeriac/results.db`.
    state: SQL URL of the records; empty: beside the broker (SQLite), else `.celeriac/records.db`.
    coordination: URL of what processes agree by (leases, claims): redis, rediss, sqlite or postgresql; empty: a Redis
        broker itself where `state` is a file, else `state`.
    queues: the queues by name.
    pools: the pools by name.
    tasks: glob over task names -> policy; `policy_for` picks the most exact.
    schedules: the schedules by name.
    celery: settings of Celery by their own names, which win over Celeriac's; what the app's code says wins over them.
    sending: how long sending may take, and what becomes of a task when the broker is away.
    security: what of tasks is sealed, and who may send them.
    letters: how dead letters are kept.
    beat: how the schedules are led.
    records: the history of task runs; None: none is kept.
    metrics: where metrics and health are served; None: nowhere.
    flower: the Flower to run; None: none.
    flowers: further ones by name, say one for each group of pools.
    logs: how processes log; None: as the app itself says.
    tracing: where spans go; None: nowhere.
    sentry: where failures are reported; None: nowhere.
    deploy: where `celeriac render` takes it to.
    alerts: when somebody is woken.
    brokers: the brokers to choose from, in order; empty if there is only one. In Python they are given here.
    because: why `broker` was chosen among `brokers`; None: it was not chosen yet, and is the first.
    variables: what it reads from the environment, in the order in which it names them.
    beside_broker: which of the URLs above were left out, and so follow the broker.
    folder: relative sqlite paths and the state folder `.celeriac/` are taken from here.
    source: the file it was read from, None if built in Python.
    environments: the names of those the file can lay over it.
    environment: the name of the environment laid over the file, if any.
    """

    name: str = "celeriac"
    app: str | None = None
    imports: tuple[str, ...] = ()
    broker: Annotated[str, OneOrMore()] = "sqlite:///.celeriac/broker.db"
    results: str = ""
    state: str = ""
    coordination: str = ""
    queues: dict[str, Queue] = {}
    pools: dict[str, Pool] = {}
    tasks: dict[str, Policy] = {}
    schedules: dict[str, Schedule] = {}
    celery: dict[str, Any] = {}
    sending: Sending = Sending()
    security: Security = Security()
    letters: Letters = Letters()
    beat: Beat = Beat()
    records: Records | None = None
    metrics: Metrics | None = None
    flower: Flower | None = None
    flowers: dict[str, Flower] = {}
    logs: Logs | None = None
    tracing: Tracing | None = None
    sentry: Sentry | None = None
    deploy: Deploy = Deploy()
    alerts: Alerts = Alerts()
    brokers: tuple[str, ...] = ()
    because: str | None = None
    variables: tuple[Variable, ...] = ()
    beside_broker: tuple[str, ...] = ()
    folder: Path = Path()
    source: Path | None = None
    environments: tuple[str, ...] = ()
    environment: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.broker, list | tuple):
            msgspec.structs.force_setattr(self, "brokers", tuple(self.broker))
        if self.brokers and isinstance(self.brokers, tuple) and self.broker not in self.brokers:
            msgspec.structs.force_setattr(self, "broker", self.brokers[0])
        left_out = [name for name in ("results", "state", "coordination") if not getattr(self, name)]
        if left_out:
            kept = self.beside_broker if isinstance(self.beside_broker, tuple) else ()
            msgspec.structs.force_setattr(self, "beside_broker", (*kept, *left_out))
        if not self.results:
            shared = isinstance(self.broker, str) and re.match(
                r"(redis|rediss|redis\+socket|sentinel)://", self.broker
            )
            msgspec.structs.force_setattr(
                self, "results", self.broker if shared else beside(self.broker, "results.db")
            )
        if not self.state:
            msgspec.structs.force_setattr(self, "state", beside(self.broker, "records.db"))
        if not self.coordination:
            msgspec.structs.force_setattr(self, "coordination", meeting_place(self.broker, self.state))

    @property
    def candidates(self) -> tuple[str, ...]:
        """The brokers that may come to be used: `brokers` in order, or the only one."""
        return self.brokers or (self.broker,)

    def on(self, broker: str, because: str) -> Plan:
        """Give the plan with this one of its `brokers` chosen; what was left out beside the broker goes with it."""
        return msgspec.structs.replace(
            self,
            broker=broker,
            because=because,
            beside_broker=(),
            **dict.fromkeys(self.beside_broker, ""),
        )

    @property
    def default_queue(self) -> str:
        """The queue of a task that no policy routes: "default" if declared, else the first one, else "celery"."""
        return "default" if "default" in self.queues else next(iter(self.queues), "celery")

    @property
    def state_folder(self) -> Path:
        """The folder `.celeriac/`, where everything of this project lives at run time."""
        return self.folder / ".celeriac"


def beside(broker: str, file_name: str) -> str:
    """Give the sqlite URL of a file in the folder of an sqlite broker, else in `.celeriac/`."""
    found = re.match(r"sqlite://(/[^?]*/)[^/?]+", broker) if isinstance(broker, str) else None
    return f"sqlite://{found[1] if found else '/.celeriac/'}{file_name}"
