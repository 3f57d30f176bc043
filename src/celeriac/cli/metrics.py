"""`celeriac metrics`: the one process per host that serves metrics and health."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from celeriac.cli.context import Project, pass_project

if TYPE_CHECKING:
    from celeriac.observe.metrics.scaling import WorkSource
    from celeriac.observe.metrics.sources import BrokerReading, BrokerSource, ScheduleReading, SpoolSource
    from celeriac.plan import Plan


@click.command()
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Listen here; else at the plan's [metrics].address, or 127.0.0.1:9540.",
)
@click.option(
    "--counts-only",
    is_flag=True,
    help="Only what this host counts, and its workers: asks no broker, no records, no schedules.",
)
@pass_project
def command(project: Project, address: str | None, counts_only: bool) -> None:
    """Serve the metrics and the health of this host.

    /metrics for Prometheus, /health/live, /health/ready, /health/celery, and /scale/POOL: how many workers of a pool
    the work at hand would fill, for a scaler. One per host is enough; it sums what every process of the project on
    this host has counted. Beside many, say one in each pod of workers, --counts-only leaves the queues to one of them.
    SIGTERM and Ctrl-C end it.
    """
    import os
    import signal
    import threading

    from celeriac.events import emit
    from celeriac.observe.logs import set_up_logs
    from celeriac.observe.metrics.exposition import Exposition
    from celeriac.observe.metrics.readings import Sources
    from celeriac.observe.metrics.scaling import Scaling
    from celeriac.observe.metrics.server import Pages, Server
    from celeriac.observe.places import books_folder
    from celeriac.observe.samples import Shelf
    from celeriac.plan.tables.observing import Metrics
    from celeriac.supervise.lifeline import say_ready

    plan = project.plan
    set_up_logs(plan, (os.environ.get("CELERY_LOGLEVEL") or "").upper() or None)
    kept = spool_source(plan)
    sources, scaling = Sources(plan, spool=kept), None
    if not counts_only:
        sources = Sources(
            plan,
            broker=broker_source(project, plan),
            letters=lambda: letters(plan),
            schedules=(lambda: schedules(project)) if plan.schedules or plan.beat.replicas else None,
            spool=kept,
        )
        scaling = Scaling(plan, work_source(project, plan))
    exposition = Exposition(Shelf(books_folder(plan)).read, sources.read)
    metrics = plan.metrics or Metrics()
    pages = Pages(exposition.registry(), sources, metrics.auth, scaling)
    server = Server(address or metrics.address, pages)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    server.start()
    emit("observe", "metrics.serving", port=server.port)
    say_ready()
    stopping.wait()
    server.stop()


def spool_source(plan: Plan) -> SpoolSource | None:
    """Give what looks at this host's spool; None if the plan has none."""
    if plan.sending.spool is None:
        return None
    from celeriac.control.spool import report

    return lambda: report(plan)


def broker_source(project: Project, plan: Plan) -> BrokerSource:
    """Give what looks at the plan's broker: ours by their views, others through kombu."""
    from celeriac.transports.redis.location import locate

    if plan.broker.startswith("sqlite:") or locate(plan.broker):
        return lambda: view(plan)
    from celeriac.observe.metrics.kombu_broker import KombuBroker

    return KombuBroker(project.app())


def work_source(project: Project, plan: Plan) -> WorkSource:
    """Give what looks at the work, over a connection of its own: it is asked in a thread of its own."""
    from celeriac.control.work import read_work

    queues = broker_source(project, plan)
    return lambda: read_work(plan, queues, project.app)


def view(plan: Plan) -> BrokerReading:
    """Look at a broker of ours."""
    from celeriac.control.broker import count_readers, is_internal, viewing
    from celeriac.observe.metrics.sources import BrokerReading, QueueReading

    with viewing(plan) as broker:
        found, readers = broker.queues(), count_readers(broker)
    states = {each.name: each for each in found if not is_internal(each.name)}
    queues = []
    for name in dict.fromkeys([*plan.queues, plan.letters.queue, *states]):
        state = states.get(name)
        queues.append(
            QueueReading(
                name=name,
                ready=state.ready if state else 0,
                delayed=state.delayed if state else 0,
                due=state.due if state else 0,
                unacked=state.unacked if state else 0,
                oldest_age_s=(state.oldest_age_s if state else None) or 0.0,
                consumers=readers[name],
            )
        )
    return BrokerReading(queues=queues)


def schedules(project: Project) -> dict[str, ScheduleReading]:
    """Read from the ledger how each schedule stands."""
    from celeriac.control.schedules import opened
    from celeriac.observe.metrics.sources import ScheduleReading

    with opened(project.app(with_tasks=True)) as schedules:
        return {it.name: ScheduleReading(it.last_slot, it.sent_at, it.due_slot) for it in schedules.reports()}


def letters(plan: Plan) -> dict[str, int]:
    """Count the letters that wait for a decision, by the queue they died in."""
    from celeriac.records import LetterFilter, Records

    counted: dict[str, int] = {}
    with closing(Records(plan.state, plan.folder)) as records:
        for count in records.counts(LetterFilter(states=("waiting",))):
            counted[count.queue] = counted.get(count.queue, 0) + count.letters
    return counted
