"""`celeriac completion`: the script that completes commands, pools and tasks in a shell."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from celeriac.cli.context import Project
from celeriac.errors import CeleriacError

if TYPE_CHECKING:
    from celeriac.plan import Plan


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: celeriac completion bash > ~/.local/share/bash-completion/completions/celeriac
    zsh:  celeriac completion zsh > "${fpath[1]}/_celeriac"
    fish: celeriac completion fish > ~/.config/fish/completions/celeriac.fish
    """
    from click.shell_completion import get_completion_class

    from celeriac.cli.main import cli

    writer = get_completion_class(shell)
    assert writer is not None
    click.echo(writer(cli, {}, "celeriac", "_CELERIAC_COMPLETE").source())


def pool_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the pools of the plan."""
    return _starting(incomplete, ctx, lambda plan: plan.pools)


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the tasks the plan names in its schedules and policies: importing the app is too slow."""

    def named(plan: Plan) -> Iterable[str]:
        exact = (name for name in plan.tasks if "*" not in name and "?" not in name and "[" not in name)
        return {*exact, *(schedule.task for schedule in plan.schedules.values())}

    return _starting(incomplete, ctx, named)


def queue_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the queues of the plan."""
    return _starting(incomplete, ctx, lambda plan: plan.queues)


def schedule_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the schedules of the plan; those of the code and the admin are not asked for."""
    return _starting(incomplete, ctx, lambda plan: plan.schedules)


def _starting(incomplete: str, ctx: click.Context, names: Callable[[Plan], Iterable[str]]) -> list[str]:
    project = ctx.find_root().ensure_object(Project)
    # A plan that cannot be read has no names to offer; `celeriac check` says why. Without a plan the names are
    # the app's, and importing that would take too long.
    with contextlib.suppress(CeleriacError):
        if project.plan_file is not None:
            return sorted(name for name in names(project.declared) if name.startswith(incomplete))
    return []
