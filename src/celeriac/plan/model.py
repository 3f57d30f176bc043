"""The typed values of a plan: what a team declares once.

Every struct is frozen; a default stands beside its field, its range in its type. Durations are timedeltas, sizes are
bytes. Building one checks nothing: `celeriac.plan.check` does, the same for a file and for Python.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from celeriac.plan.marks import Duration, NoneAs, OneOrMore, Range, Secret, Size
from celeriac.plan.meeting import meeting_place

Executor = Literal["prefork", "processes", "threads", "asyncio", "solo", "gevent", "eventlet"]
ProfileName = Literal["io", "cpu", "ram", "custom"]
WhenFull = Literal["block", "reject", "spool"]
LogFormat = Literal["human", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
CatchUp = Literal["none", "last", "all"]
Overlap = Literal["skip", "queue", "allow"]
Arguments = Literal["none", "redacted", "full"]
Scaler = Literal["metrics-api", "prometheus", "rabbitmq", "redis"]
SunEvent = Literal[
    "dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon",
    "sunset", "dusk_civil", "dusk_nautical", "dusk_astronomical",
]  # fmt: skip


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named queue on the broker.

    max_wait: the objective; a message that waits longer is late (`celeriac queues` says so).
    max_length: messages the queue may hold, waiting, delayed and being worked on; None: no bound.
    when_full: "block" makes a sender wait for room until the deadline of `[sending]`, "reject" refuses at once, "spool"
        keeps the task on the sender's disk until there is room; none of them loses anything.
    """

    max_wait: Duration | None = None
    max_length: Annotated[int, Range(1, 1_000_000_000)] | None = None
    when_full: WhenFull = "block"


class Autoscale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds between which a worker on prefork or processes grows and shrinks its slots.

    min: slots it keeps when idle.
    max: slots it may grow to.
    """

    min: Annotated[int, Range(1, 10_000)]
    max: Annotated[int, Range(1, 10_000)]


class Replicas(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds between which workers of a pool are started and stopped.

    min: workers that run when there is nothing to do; with 0 none runs until work comes.
    max: workers that run at most.
    """

    min: Annotated[int, Range(0, 1000)]
    max: Annotated[int, Range(1, 1000)]


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker may use of its host, kept by what runs it: Compose, systemd or Kubernetes, not by `up`.

    cpu: CPUs it may use at most, like "2", "0.5" or "500m"; None: as many as there are.
    memory: memory above which it is killed; None: as much as there is.
    cpu_reserved: CPUs kept free for it; None: half of `cpu`.
    memory_reserved: memory kept free for it; None: half of `memory`.
    """

    cpu: str | None = None
    memory: Size | None = None
    cpu_reserved: str | None = None
    memory_reserved: Size | None = None


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named kind of worker. A field left out takes the profile's value, else the Celery app's.

    queues: declared queues it reads, in this order of preference.
    app: dotted path of a Celery app of its own ("proj.heavy:app"), which may know fewer tasks; None: the plan's.
    profile: the kind of work, which sets the defaults of the fields below.
    executor: what runs the tasks of a worker.
    concurrency: slots of one worker.
    autoscale: slots between two bounds instead of a fixed `concurrency`; prefork and processes only.
    prefetch: messages a worker holds for each slot, the running one included (Celery's prefetch multiplier).
    time_limit: a task that runs longer is killed; prefork, processes, asyncio and gevent only.
    soft_time_limit: a task that runs longer is interrupted by SoftTimeLimitExceeded; prefork, processes and asyncio
        only.
    max_tasks_per_child: tasks after which a slot's process is replaced; prefork and processes only.
    max_memory_per_child: resident memory above which a slot's process is replaced after its task; prefork and
        processes only.
    gossip: whether workers follow each other's events; nothing of Celeriac needs it, and each worker reads them all.
    mingle: whether a starting worker asks the others which tasks were revoked; without it, it runs those.
    grace: how long a stopping worker may finish what it runs before it is killed.
    replicas: workers of this pool that run, or two bounds for their number; with 0 its queues wait.
    resources: what one worker may use of its host; None: whatever is there.
    """

    queues: tuple[str, ...]
    app: str | None = None
    profile: ProfileName = "custom"
    executor: Executor | None = None
    concurrency: Annotated[int, Range(1, 10_000)] | None = None
    autoscale: Autoscale | None = None
    prefetch: Annotated[int, Range(1, 10_000)] | None = None
    time_limit: Duration | None = None
    soft_time_limit: Duration | None = None
    max_tasks_per_child: Annotated[int, Range(1, 1_000_000_000)] | None = None
    max_memory_per_child: Size | None = None
    gossip: bool = True
    mingle: bool = True
    grace: Duration = timedelta(seconds=60)
    replicas: Annotated[int | Replicas, Range(0, 1000)] = 1
    resources: Resources | None = None

    @property
    def workers(self) -> Replicas:
        """The bounds of `replicas`, which are the same where it is a plain number."""
        if isinstance(self.replicas, Replicas):
            return self.replicas
        return Replicas(min=self.replicas, max=self.replicas)


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and how a failed task is tried again.

    limit: retries after the first run; None: as many as it takes.
    backoff: the first ceiling; doubled with every retry up to `cap`.
    cap: the highest ceiling.
    jitter: True draws the delay evenly from 0 to the ceiling ("full jitter"), False waits the ceiling.
    on: names of exception classes, with their module unless they are Python's own; only these, and their
        subclasses, are retried.
    """

    limit: Annotated[int | None, Range(0, 1_000_000), NoneAs("unlimited")] = 3
    backoff: Annotated[timedelta, Range(0)] = timedelta(seconds=1)
    cap: Duration = timedelta(minutes=10)
    jitter: bool = True
    on: tuple[str, ...] = ("Exception",)


class Breaker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When tasks stop calling a service that fails, over all workers; meanwhile they wait at the broker.

    name: of what it guards; tasks with a breaker of the same name share it.
    failures: so many of them within `window` open it.
    window: how long a failure counts.
    cool_down: how long it stays open before one task may try; that one closes it, or opens it again.
    on: dotted names of exception classes; only these, and their subclasses, are failures.
    """

    name: str
    failures: Annotated[int, Range(1, 1_000_000)] = 5
    window: Duration = timedelta(seconds=60)
    cool_down: Duration = timedelta(seconds=60)
    on: tuple[str, ...] = ("builtins.Exception",)


class TaskResults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of what a task returns; what is left out is as for all tasks.

    ignore: whether nothing of it is stored; errors neither.
    expires: how long it is kept, failures and all; SQLite, Redis and PostgreSQL only.
    compression: by what it is packed; SQLite, Redis and PostgreSQL only.
    """

    ignore: bool | None = None
    expires: Duration | None = None
    compression: Literal["none", "gzip", "bzip2", "lzma"] | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the plan says of the tasks whose names match a glob; the most exact glob wins, whole.

    queue: the declared queue they are sent to; None: the default queue.
    priority: 0 to 9, the bigger number first; None: the broker's default.
    retry: when and how they are tried again; None: never by the plan.
    time_limit: a run that takes longer is killed.
    soft_time_limit: a run that takes longer is interrupted by SoftTimeLimitExceeded.
    expires: a message not started within this time after sending is dropped, as an explicit expiry.
    breaker: while it is open, they wait at the broker; None: nothing keeps them.
    results: what becomes of what they return; None: the same as for all tasks.
    """

    queue: str | None = None
    priority: Annotated[int, Range(0, 9)] | None = None
    retry: Retry | None = None
    time_limit: Duration | None = None
    soft_time_limit: Duration | None = None
    expires: Duration | None = None
    breaker: Breaker | None = None
    results: TaskResults | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task sent by the clock: exactly one of `cron`, `every`, `at` and `sun`. Each of its times is a slot, sent once.

    task: the full name of the task.
    cron: minute, hour, day of month, month, day of week in `timezone`, like "0 9 * * mon-fri".
    every: the time from one slot to the next, counted from 1970-01-01 UTC: "5m" is at :00, :05, :10.
    at: one slot, in `timezone`, like "2026-12-24T18:00".
    sun: an event of the sun at `place`, like "sunset"; needs the extra `sun`.
    place: where `sun` is watched: latitude and longitude in degrees, like "52.52, 13.40".
    timezone: of `cron` and `at`, like "Europe/Berlin".
    catch_up: what is sent of the slots missed while nothing ran: "none", the "last" of them, or "all".
    overlap: what happens to a slot while the last run has not ended: "skip" it, "queue" it, or "allow" both.
    args: positional arguments of the task.
    kwargs: keyword arguments of the task.
    queue: a declared queue; None: where the task's policy says.
    """

    task: str
    cron: str | None = None
    every: Duration | None = None
    at: str | None = None
    sun: SunEvent | None = None
    place: str | None = None
    timezone: str = "UTC"
    catch_up: CatchUp = "last"
    overlap: Overlap = "allow"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    queue: str | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the schedules are led, however many beats run.

    lease: how long a leader that is silent is waited for; then another takes over.
    deadline: how late a slot is still sent as if in time; later it was missed, and `catch_up` says what becomes of it.
    replicas: beats that `celeriac up` runs; None: one if the plan has schedules. With those of the code alone, write 1.
    """

    lease: Annotated[timedelta, Range(1, 3600)] = timedelta(seconds=10)
    deadline: Annotated[timedelta, Range(1, 31 * 86_400)] = timedelta(seconds=60)
    replicas: Annotated[int, Range(0, 100)] | None = None


class Spool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where senders keep tasks on their own disk while the broker is away; any process of the plan there sends them on.

    path: the file, an SQLite database; its folder is made.
    max_size: how much it may hold; then sending is refused.
    """

    path: str = ".celeriac/spool.db"
    max_size: Size = 64 * 1024 * 1024


class Sending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long sending may take, and what becomes of a task when the broker is away.

    deadline: how long `delay()` may take, all tries to connect and to send included.
    spool: where tasks are kept until the broker is back; None: nowhere, and sending raises.
    """

    deadline: Annotated[timedelta, Range(0.3, 3600)] = timedelta(seconds=5)
    spool: Spool | None = None


class Letters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How dead letters are kept.

    queue: where they wait for the recorder; never a work queue.
    after: deliveries that ended with the worker's death before a task is set aside as poison.
    keep: how long a settled (replayed or discarded) letter stays in the records; None: it is never deleted.
    handler: task that is sent with `task_id` and `reason` for each new letter, at most once; None: none is.
    """

    queue: str = "celeriac.dead"
    after: Annotated[int, Range(1, 1000)] = 3
    keep: Annotated[Duration | None, NoneAs("forever")] = None
    handler: str | None = None


class LogFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A log file that all processes write, rotated when it is full.

    path: the file; its folder is made.
    level: what is less important is not written.
    loggers: only these, with those below them, like "django" or "celeriac.performance"; none named: all.
    max_size: at which size it is rotated, to PATH.1, that to PATH.2, and so on.
    keep: how many rotated files stay.
    format: lines for people, or one JSON object a line; None: as `[logs]` says.
    """

    path: str
    level: LogLevel = "INFO"
    loggers: tuple[str, ...] = ()
    max_size: Size = 10 * 1024 * 1024
    keep: Annotated[int, Range(0, 1000)] = 5
    format: LogFormat | None = None


class Logs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How workers, beat and the services log. Without this table: lines for people, as the app itself has set up.

    format: lines for people, or one JSON object a line.
    level: of what is written to standard error; CELERY_LOGLEVEL wins.
    files: what is written to files beside, by name.
    """

    format: LogFormat = "human"
    level: LogLevel = "INFO"
    files: dict[str, LogFile] = {}


class Records(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The history of task runs. Without this table none is kept, and workers send no task events for it.

    keep: how long a run of which nothing more was seen stays on record.
    arguments: how arguments are kept: "none", "redacted" (numbers, names and sizes, no texts), or "full" as Celery
        writes them.
    """

    keep: Annotated[timedelta, Range(1)] = timedelta(days=14)
    arguments: Arguments = "redacted"


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


class Deploy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `celeriac render` takes the plan to; what is left out follows the plan's name.

    image: the container image, with its tag; empty: the name, tagged "latest".
    namespace: the Kubernetes namespace; empty: the name.
    folder: where the project lies on a host, for systemd and supervisor; empty: /srv/ and the name.
    user: the user of a host that runs it; empty: the name.
    writable: folders in the project that its tasks write to; a container can write nowhere else, but for /tmp.
    names: what a pool, or "recorder", "beat", "metrics", "flower", is called there, where not by its own name.
    scaler: where KEDA gets the number of workers from for a pool whose replicas are two bounds: "metrics-api" asks the
        plan's metrics process; "prometheus", and "rabbitmq" or "redis", the broker, are asked directly.
    prometheus: the address at which Prometheus is found, by that scaler and by Grafana.
    """

    image: str = ""
    namespace: str = ""
    folder: str = ""
    user: str = ""
    writable: tuple[str, ...] = ()
    names: dict[str, str] = {}
    scaler: Scaler = "metrics-api"
    prometheus: str = ""


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
    broker: URL of the broker; sqlite, redis, rediss, redis+socket, sentinel, amqp, amqps, pyamqp, memory or filesystem.
        Of several, the first that can be reached at start is used; after that nothing is switched.
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
