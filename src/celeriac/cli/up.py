"""`celeriac up`: run the whole plan in this terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from celeriac.cli.completion import pool_names
from celeriac.cli.context import Project, pass_project
from celeriac.errors import CommandError, redacted

if TYPE_CHECKING:
    from celeriac.plan import Plan, Process


#: in the state folder: what the processes print while a command has the terminal
LOG = "up.log"


@click.command()
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    shell_complete=pool_names,
    help="Run only this pool; or recorder, or beat. May be repeated.",
)
@click.option(
    "--scale",
    multiple=True,
    metavar="POOL=N",
    help="Run N workers of this pool, whatever the plan says. May be repeated.",
)
@click.option("--reload", is_flag=True, help="Start again when the code or the plan is edited.")
@click.argument("argv", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@pass_project
def command(
    project: Project, only: Sequence[str], scale: Sequence[str], reload: bool, argv: Sequence[str]
) -> int:
    """Run the plan: its workers, its recorder, its beat.

    Ctrl-C once: beat stops, then workers finish what they run, then the recorder stops. Ctrl-C twice: all is
    killed, and unfinished tasks go back to their queues.

    With a COMMAND, it runs once everything is ready, and its end stops everything: a demo, integration tests.
    What the processes print is in .celeriac/up.log then.

    Exit codes: 0 everything stopped by itself, 1 something had to be killed, 2 the plan is wrong, 3 the
    project is running already; COMMAND's own if that is not 0.
    """
    import asyncio
    import logging
    import os
    import sys

    from msgspec.structs import replace

    from celeriac.plan import verify
    from celeriac.supervise.companion import Companion
    from celeriac.supervise.elastic import Elastic, elastic_of
    from celeriac.supervise.instance import Instance
    from celeriac.supervise.output import Output, OutputHandler
    from celeriac.supervise.supervisor import Reload, Supervisor

    current: list[Plan] = []

    def processes() -> tuple[Process, ...]:
        plan = scaled(project.read_plan(), scale)
        verify(plan)
        same_broker(plan, project)
        found = chosen(plan, only)
        current[:] = [plan]
        return found

    def elastic() -> Elastic | None:
        read = current[-1]
        # The broker that was chosen stays: an edit of the plan takes nobody to another.
        return elastic_of(replace(read, broker=plan.broker, brokers=()), elastic_chosen(read, only))

    wanted = processes()
    plan = project.hold_broker()
    environ = {**os.environ, **project.child_environ}

    async def supervise(instance: Instance, output: Output) -> int:
        return await Supervisor(
            wanted,
            folder=plan.folder,
            instance=instance,
            output=output,
            broker=plan.broker,
            environ={**environ, "PYTHONUNBUFFERED": "1"},
            reload=Reload(plan=plan.source, processes=processes) if reload else None,
            companion=Companion(argv, environ) if argv else None,
            elastic=elastic,
        ).run()

    with Instance(plan.state_folder) as instance:
        output = Output((plan.state_folder / LOG).open("w") if argv else sys.stdout)
        logger = logging.getLogger("celeriac.supervise")
        logger.addHandler(OutputHandler(output))
        logger.setLevel(logging.INFO)
        logger.propagate = False
        if not argv:
            show(plan, wanted, elastic_chosen(current[-1], only))
        return asyncio.run(supervise(instance, output))


def same_broker(edited: Plan, project: Project) -> None:
    """See that an edited plan still names the broker in use: processes that run cannot be taken to another.

    Raises: CommandError UP-014.
    """
    used = project.held
    if used is not None and used.brokers and used.broker not in edited.candidates:
        raise CommandError(
            "UP-014",
            f"the edited plan does not name the broker in use, {redacted(used.broker)}",
            known=[redacted(url) for url in edited.candidates],
            fix="stop `celeriac up` and start it again to work on another broker",
        )


def scaled(plan: Plan, scale: Sequence[str]) -> Plan:
    """Lay `--scale pool=N` over the plan's replicas.

    Raises: CommandError UP-010 if a value cannot be read, UP-011 if there is no such pool.
    """
    from msgspec.structs import replace

    pools = dict(plan.pools)
    for text in scale:
        name, _, count = text.partition("=")
        if not count.isdecimal() or int(count) > 1000:
            raise CommandError(
                "UP-010", f'"{text}" is not a scale', at="--scale", fix="write POOL=N, like --scale web=3"
            )
        if name not in pools:
            raise unknown_pool(name, plan, "--scale")
        pools[name] = replace(pools[name], replicas=int(count))
    return replace(plan, pools=pools)


def chosen(plan: Plan, only: Sequence[str]) -> tuple[Process, ...]:
    """Give the processes to run.

    Raises: CommandError UP-011 if `only` names what is not in the plan, UP-012 if nothing is left to run.
    """
    from celeriac.plan import topology

    processes = topology(plan)
    elastic = elastic_chosen(plan, only)
    if only:
        names = {process.pool or process.kind for process in processes} | set(elastic_chosen(plan, ()))
        for name in only:
            if name not in names:
                raise unknown_pool(name, plan, "--only", others=sorted(names - set(plan.pools)))
        processes = tuple(process for process in processes if (process.pool or process.kind) in only)
    if not processes and not elastic:
        raise CommandError("UP-012", "there is nothing to run", fix="declare a pool, or scale one above 0")
    return processes


def elastic_chosen(plan: Plan, only: Sequence[str]) -> list[str]:
    """Name the pools to run whose number of workers follows what waits."""
    from celeriac.supervise.elastic import elastic_pools

    return [name for name in elastic_pools(plan) if not only or name in only]


def unknown_pool(name: str, plan: Plan, at: str, others: Sequence[str] = ()) -> CommandError:
    """Word that there is no such pool."""
    from celeriac.cli.output import nearest

    known = [*plan.pools, *others]
    close = nearest(name, known)
    return CommandError(
        "UP-011",
        f'there is no pool "{name}"',
        at=at,
        known=known,
        fix=f'write "{close}"' if close else f"add [pools.{name}] to the plan",
    )


def show(plan: Plan, processes: Sequence[Process], elastic: Sequence[str] = ()) -> None:
    """Print what is about to be started, where its broker is, and what the plan is warned of."""
    from celeriac.cli.output import print_table, say_broker
    from celeriac.plan import check, effective

    rows: list[tuple[object, ...]] = []
    for process in processes:
        pool = effective(plan.pools[process.pool]) if process.pool else None
        if pool is None:
            reads = {"recorder": plan.letters.queue, "beat": ", ".join(plan.schedules)}.get(process.kind, "")
            rows.append((process.name, process.kind, "", reads))
            continue
        slots = f"{pool.autoscale.min}-{pool.autoscale.max}" if pool.autoscale else pool.concurrency
        rows.append((process.name, pool.executor, slots or "per CPU", ", ".join(pool.queues)))
    click.echo(f"{plan.name}: {plan.source or plan.app}")
    click.echo(f"broker: {say_broker(plan)}")
    print_table(["process", "runs", "slots", "reads"], rows)
    for name in elastic:
        bounds = plan.pools[name].workers
        click.echo(f"pool {name}: {bounds.min} to {bounds.max} workers, by what waits")
    for warning in check(plan):
        click.secho(f"warning: {warning}", fg="yellow")
    click.echo()
