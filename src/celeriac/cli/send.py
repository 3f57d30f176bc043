"""`celeriac send`: send one task, and wait for its result if asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli.completion import queue_names, task_names
from celeriac.cli.context import Project, pass_project
from celeriac.cli.output import json_option, nearest, print_json
from celeriac.errors import CeleriacError, CommandError, SuperviseError, redacted

if TYPE_CHECKING:
    from celery import Celery

_FOREVER = float("inf")


@click.command()
@click.argument("task", shell_complete=task_names)
@click.argument("args", nargs=-1)
@click.option(
    "--kwarg", "kwargs", multiple=True, metavar="NAME=VALUE", help="A keyword argument. May be repeated."
)
@click.option("--queue", shell_complete=queue_names, help="Send it here, whatever the plan says.")
@click.option("--countdown", type=click.FloatRange(min=0), metavar="SECONDS", help="Run it this much later.")
@click.option("--priority", type=click.IntRange(0, 9), help="From 0 to 9; the bigger one goes first.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    is_flag=False,
    flag_value=_FOREVER,
    metavar="[SECONDS]",
    help="Wait for the result and print it; with a number, no longer than that.",
)
@click.option("--unchecked", is_flag=True, help="Send a task this app does not know.")
@json_option
@pass_project
def command(
    project: Project,
    *,
    task: str,
    args: Sequence[str],
    kwargs: Sequence[str],
    queue: str | None,
    countdown: float | None,
    priority: int | None,
    wait: float | None,
    unchecked: bool,
    as_json: bool,
) -> int:
    """Send TASK with ARGS, each read as JSON, or else as text.

    Write `--` before arguments that begin with a dash: celeriac send shop.add -- 1 -2

    Exit code 1 if the task failed, or did not end in time.
    """
    app = project.app(with_tasks=True)
    options = {"queue": queue, "countdown": countdown, "priority": priority}
    given = {name: value for name, value in options.items() if value is not None}
    if wait is not None:
        require_result(app, task)
    sent = send(app, task, [value(text) for text in args], read_kwargs(kwargs), given, unchecked=unchecked)
    if wait is None:
        print_json({"task_id": sent.id, "task": task}) if as_json else click.echo(sent.id)
        return 0
    return await_result(project, sent, None if wait == _FOREVER else wait, as_json=as_json)


def value(text: str) -> Any:
    """Read JSON, or take the text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_kwargs(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` pairs.

    Raises: CommandError UP-020 if one has no name.
    """
    read = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise CommandError(
                "UP-020", f'"{pair}" is not a keyword argument', at="--kwarg", fix="write --kwarg name=value"
            )
        read[name] = value(text)
    return read


def send(
    app: Celery,
    task: str,
    args: list[Any],
    kwargs: dict[str, Any],
    options: dict[str, Any],
    *,
    unchecked: bool,
) -> Any:
    """Send the task.

    Raises: CommandError UP-021 if the app does not know it, UP-022 if it does not take these arguments;
        SuperviseError if broker or result backend cannot be reached.
    """
    known = app.tasks.get(task)
    if known is None and not unchecked:
        own = sorted(name for name in app.tasks if not name.startswith("celery."))
        close = nearest(task, own)
        raise CommandError(
            "UP-021",
            f'there is no task "{task}"',
            known=own,
            fix=f'send "{close}", or add --unchecked'
            if close
            else "import its module in the plan, or add --unchecked",
        )
    from kombu.exceptions import OperationalError

    try:
        if known is None:
            return app.send_task(task, args, kwargs, **options)
        return known.apply_async(args, kwargs, **options)
    except CeleriacError:
        raise
    except (OperationalError, OSError, RuntimeError) as error:
        # Celery's own word for a result store that cannot be reached is RuntimeError.
        reason = " ".join(str(error).split())
        raise SuperviseError(
            "UP-024",
            f"sending {task} failed: {reason}",
            at=redacted(app.conf.broker_url),
            fix="see that the broker and the result backend can be reached",
        ) from error
    except TypeError as error:
        raise CommandError(
            "UP-022", f"{task} does not take these arguments: {error}", fix="see the task's signature"
        ) from error


def require_result(app: Celery, task: str) -> None:
    """Refuse to wait for a result that will not be kept.

    Raises: CommandError UP-023.
    """
    known = app.tasks.get(task)
    if known is not None and known.ignore_result:
        raise CommandError(
            "UP-023",
            f"{task} keeps no result to wait for",
            fix="leave --wait out, or set ignore_result=False on the task",
        )


def await_result(project: Project, sent: Any, timeout_s: float | None, *, as_json: bool) -> int:
    """Wait for the end of the task and print its result, or why there is none. Returns: the exit code."""
    from celery.exceptions import TimeoutError as TooLate

    try:
        outcome = sent.get(timeout=timeout_s, propagate=False)
    except TooLate:
        return report_late(project, sent.id, as_json=as_json)
    succeeded = sent.state == "SUCCESS"
    if as_json:
        error = None if succeeded else f"{type(outcome).__name__}: {outcome}"
        print_json(
            {
                "task_id": sent.id,
                "state": sent.state,
                "result": outcome if succeeded else None,
                "error": error,
            }
        )
    elif succeeded:
        click.echo(outcome if isinstance(outcome, str) else json.dumps(outcome, default=str))
    else:
        click.echo(sent.traceback or f"{type(outcome).__name__}: {outcome}", err=True)
    return 0 if succeeded else 1


def report_late(project: Project, task_id: str, *, as_json: bool) -> int:
    """Say where a task is that did not end in time."""
    from celeriac.control.why import explain

    answer = explain(project.plan, project.app(), task_id)
    if as_json:
        print_json({"task_id": task_id, "state": answer.verdict, "result": None, "error": answer.sentence})
    else:
        click.echo(task_id)
        click.echo(f"did not end in time: {answer.sentence}", err=True)
    return 1
