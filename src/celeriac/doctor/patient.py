"""A plan's system as the doctor sees it: each look taken once, shared by all rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from celeriac.app.reaching import trouble_with
from celeriac.control import breakers, broker, processes, spool
from celeriac.control.schedules import ScheduleReport, opened
from celeriac.coordination import Term
from celeriac.coordination.opening import is_made
from celeriac.doctor import clocks, host, rabbitmq, remote
from celeriac.doctor.look import Look, Unseen, said_by
from celeriac.errors import CeleriacError
from celeriac.observe.places import pulses_folder
from celeriac.plan import Plan
from celeriac.records import LetterCount, LetterFilter, Records
from celeriac.records.upgrade import is_current
from celeriac.schedule.declared import Declared
from celeriac.schedule.reading import Reader
from celeriac.stores.sql import existing
from celeriac.transports.redis.location import locate
from celeriac_probe import pulse

if TYPE_CHECKING:
    from celery import Celery

    from celeriac.transports.redis.server import ServerState

Seen = TypeVar("Seen")
#: how long all looks together may take: they begin at once
WITHIN_S = 8.0
#: how long the broker may take to be connected to; longer than for a start, for all other looks run beside
_CONNECTED_WITHIN_S = 5.0
#: an id that no task has
_NO_TASK = "celeriac-doctor"


class Patient:
    """The looks at one system. Each is a `Look`; `seen()` gives its reading or raises Unseen.

    problems: what checking the plan, and importing its app, has found.
    """

    def __init__(
        self,
        plan: Plan,
        load: Callable[[], Celery],
        problems: Sequence[CeleriacError] = (),
        within_s: float = WITHIN_S,
    ) -> None:
        self.plan = plan
        self.problems = tuple(problems)
        self.load = load
        self.now = time.time()
        self._within_s = within_s
        self.broker: Look[str | None] = self._look("broker", self._broker)
        self.queues: Look[list[broker.QueueReport]] = self._look(
            "queues", self._at_the_broker(lambda: broker.queues(plan, load, letters={}))
        )
        self.holders: Look[list[Any]] = self._look(
            "holders", self._at_the_broker(lambda: broker.holders(plan, load))
        )
        self.server: Look[ServerState | None] = self._look("server", self._at_the_broker(self._server))
        self.alarms: Look[list[rabbitmq.Alarm]] = self._look("alarms", lambda: rabbitmq.alarms(plan))
        self.registered: Look[dict[str, set[str]]] = self._look(
            "registered", lambda: remote.registered(load(), self.workers())
        )
        self.results: Look[None] = self._look("results", self._results)
        self.coordination: Look[Term | None] = self._look("coordination", self._coordination)
        self.letters: Look[list[LetterCount]] = self._look("letters", self._letters)
        self.declared: Look[list[Declared]] = self._look("declared", lambda: list(Reader(load()).read()))
        self.schedules: Look[list[ScheduleReport]] = self._look("schedules", self._schedules)
        self.breakers: Look[list[breakers.BreakerReport]] = self._look("breakers", self._breakers)
        self.spool: Look[spool.SpoolReport | None] = self._look("spool", self._spool)
        self.clocks: Look[list[clocks.Skew]] = self._look("clocks", lambda: clocks.skews(plan))
        self.up: Look[processes.UpState | None] = self._look("up", lambda: processes.running(plan))
        self.pulses: Look[list[pulse.Pulse]] = self._look(
            "pulses", lambda: pulse.read_all(str(pulses_folder(plan)))
        )
        self.disks: Look[list[host.Disk]] = self._look("disks", lambda: host.disks(plan))
        self.beats: Look[list[host.BeatProcess]] = self._look("beats", lambda: host.beats(plan))
        self.memory: Look[list[host.WorkerMemory]] = self._look(
            "memory", lambda: host.memory(self.pulses.seen())
        )

    def begin(self, names: Iterable[str]) -> None:
        """Start to take these looks, all at once."""
        for name in dict.fromkeys(names):
            look: Look[Any] = getattr(self, name)
            look.begin()

    def consumers(self) -> list[Any]:
        """Give the live consumers at the broker. Raises: Unseen."""
        return [it for it in self.holders.seen() if broker.is_alive(it)]

    def workers(self) -> list[str]:
        """Name the live workers that the broker knows; the recorder is none. Raises: Unseen."""
        return sorted({it.name for it in self.consumers() if "@" in it.name})

    def is_running(self) -> bool:
        """Say whether anything of the plan runs. Raises: Unseen."""
        return self.up.seen() is not None or bool(self.consumers())

    def _look(self, name: str, take: Callable[[], Seen]) -> Look[Seen]:
        return Look(name, take, self._within_s)

    def _at_the_broker(self, take: Callable[[], Seen]) -> Callable[[], Seen]:
        """Keep a look from being taken at a broker that cannot be reached."""

        def taken() -> Seen:
            if self.broker.seen() is not None:
                raise Unseen("broker", "the broker cannot be reached")
            return take()

        return taken

    def _broker(self) -> str | None:
        """Say why the broker cannot be reached; None if it can."""
        plan = self.plan
        if not plan.broker.startswith("sqlite:"):
            return trouble_with(
                plan.broker,
                plan.folder,
                _CONNECTED_WITHIN_S,
                options=plan.celery.get("broker_transport_options"),
            )
        try:
            # A view reads the file and makes none, which connecting to it would.
            with broker.viewing(plan) as view:
                view.queues()
        except CeleriacError as error:
            return said_by(error)
        return None

    def _server(self) -> ServerState | None:
        """Ask a Redis for its state; None if the broker is none."""
        if locate(self.plan.broker) is None:
            return None
        with broker.viewing(self.plan) as view:
            redis: Any = view
            state: ServerState = redis.server()
            return state

    def _results(self) -> None:
        """Ask for a result that there is not."""
        app: Any = self.load()
        url = str(app.conf.result_backend or "")
        if url.startswith("sqlite:"):
            with existing(url.partition("?")[0], self.plan.folder) as made:
                if made is None:
                    return
        if not url or url.startswith("disabled"):
            return
        # Celery makes a backend for each thread, so this one is ours alone. It would try ten times: one is an answer.
        backend = app.backend
        backend.always_retry = False
        backend.get_task_meta(_NO_TASK)

    def _coordination(self) -> Term | None:
        if not is_made(self.plan.coordination, self.plan.folder):
            return None
        from celeriac.coordination import open_coordination  # noqa: PLC0415 - with its driver, where it is used
        from celeriac.schedule.leadership import lease_of  # noqa: PLC0415

        with closing(open_coordination(self.plan.coordination, self.plan.folder)) as store:
            return store.current(lease_of(self.plan.name))

    def _letters(self) -> list[LetterCount]:
        plan = self.plan
        if not is_current(plan.state, plan.folder):
            return []
        with closing(Records(plan.state, plan.folder)) as records:
            return records.counts(LetterFilter(states=("waiting",)))

    def _schedules(self) -> list[ScheduleReport]:
        if not is_made(self.plan.coordination, self.plan.folder):
            return []
        with opened(self.load()) as schedules:
            return schedules.reports()

    def _breakers(self) -> list[breakers.BreakerReport]:
        named = any(policy.breaker for policy in self.plan.tasks.values())
        if not named or not is_made(self.plan.coordination, self.plan.folder):
            return []
        return breakers.breakers(self.plan)

    def _spool(self) -> spool.SpoolReport | None:
        kept = self.plan.sending.spool
        if kept is None or not (self.plan.folder / kept.path).exists():
            return None
        return spool.report(self.plan)
