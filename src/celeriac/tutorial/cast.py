"""The cast: which task plays which part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.canvas import Signature

from celeriac.errors import TutorialError

#: bounds of what the story shows in one go
CHAINS_MAX = 500
#: what a project may say of its cast: key → its kind, and what it means
PARTS: dict[str, tuple[str, str]] = {
    "light": ("task", "a quick task; in a chain it is given the heavy one's result; light_task if left out"),
    "light_args": ("arguments", "its arguments, where it runs alone"),
    "heavy": ("task", "a task that takes a while; heavy_task if left out"),
    "heavy_args": ("arguments", "its arguments"),
    "chains": ("number", "how many chains of heavy and light are sent at once; 20 if left out"),
    "long": ("task", "a task whose worker is killed in the middle; the heavy one if left out"),
    "long_args": ("arguments", "its arguments: it should run for five seconds or more"),
    "flaky": ("task", "a task that fails at first and ends well by its retries"),
    "flaky_args": ("arguments", "its arguments"),
    "failing": ("task", "a task that fails for good; the heavy one if left out"),
    "failing_args": ("arguments", "arguments with which it fails"),
    "mended": ("arguments", "arguments with which it ends well"),
    "schedule": ("name", "a schedule that may run now"),
}


@dataclass(frozen=True)
class Call:
    """A task and its arguments, as JSON has them."""

    task: str
    args: tuple[Any, ...] = ()

    def signature(self, app: Celery) -> Signature:
        """Give it as canvas takes it."""
        return app.signature(self.task, args=self.args)

    def __str__(self) -> str:
        return f"{self.task.rpartition('.')[2]}({', '.join(map(repr, self.args))})"


@dataclass(frozen=True)
class Cast:
    """Who plays what. A part nobody plays is left out, and the story says so.

    light: a quick task; in a chain it is given the result of `heavy` instead of its own arguments.
    heavy: a task that takes a while; chains: how many of heavy and light are sent at once.
    long: one that runs for seconds, and may be run again: its worker is killed in the middle.
    flaky: one that fails at first and ends well by its retries; asked: how often the service it needs was called.
    failing: one that fails for good; mended: the arguments with which it ends well.
    schedule: a schedule of the plan, the code or the admin that may run now.
    expires_s: seconds after which what the story has sent is dropped if nobody has run it; None: never.
    """

    light: Call
    heavy: Call
    chains: int = 20
    long: Call | None = None
    flaky: Call | None = None
    asked: Callable[[], int] | None = None
    failing: Call | None = None
    mended: tuple[Any, ...] | None = None
    schedule: str | None = None
    expires_s: float | None = None


def read_cast(values: Mapping[str, Any], app: Celery, *, at: str) -> Cast:
    """Give the cast that a project names.

    values: as `PARTS` names them. A task may be named by the last part of its name, if one task alone has that.
    at: where they are written, for messages.
    Raises: TutorialError TUTOR-020 for what is no part, TUTOR-021 for a task that is not there, TUTOR-024 for arguments
        it does not take.
    """
    for key, value in values.items():
        if key not in PARTS:
            raise _no_part(f'there is no part "{key}"', at, list(PARTS))
        if PARTS[key][0] == "arguments" and not _is_list(value):
            raise _no_part(f'"{key}" is a {type(value).__name__}', at, ["a list of arguments"])
    chains = values.get("chains", 20)
    if not isinstance(chains, int) or not 1 <= chains <= CHAINS_MAX:
        raise _no_part(f'"chains" is {chains!r}', at, [f"1 to {CHAINS_MAX}"])

    def call(part: str, default: str | None) -> Call | None:
        name, args = values.get(part), values.get(f"{part}_args")
        if name is None and (default is None or args is None):
            return None
        made = Call(_task(app, name or str(default), part, at), tuple(args or ()))
        _fits(app, made.task, made.args, part, at)
        return made

    light = _task(app, values.get("light", "light_task"), "light", at)
    heavy = _task(app, values.get("heavy", "heavy_task"), "heavy", at)
    light_args, heavy_args = values.get("light_args", ()), values.get("heavy_args", ())
    _fits(app, light, light_args, "light", at)
    _fits(app, heavy, heavy_args, "heavy", at)
    return Cast(
        light=Call(light, tuple(light_args)),
        heavy=Call(heavy, tuple(heavy_args)),
        chains=chains,
        long=call("long", heavy),
        flaky=call("flaky", None),
        failing=call("failing", heavy),
        mended=tuple(values["mended"]) if "mended" in values else None,
        schedule=values.get("schedule"),
        expires_s=900.0,
    )


def _task(app: Celery, name: Any, part: str, at: str) -> str:
    known = sorted(task for task in app.tasks if not task.startswith("celery."))
    if name in known:
        return str(name)
    ending = [task for task in known if task.rpartition(".")[2] == name]
    if len(ending) == 1:
        return ending[0]
    raise TutorialError(
        "TUTOR-021",
        f'no task of this project is called "{name}", which is to play the {part} part.'
        if not ending
        else f'more than one task is called "{name}", which is to play the {part} part.',
        at=at,
        known=ending or known,
        fix=f'name the task in full, as "{part}"',
    )


def _fits(app: Celery, name: str, args: Sequence[Any], part: str, at: str) -> None:
    """See that a task takes these arguments, by the signature by which Celery itself looks."""
    task: Any = app.tasks[name]
    if not task.typing:
        return
    try:
        task.__header__(*args)
    except TypeError as error:
        raise TutorialError(
            "TUTOR-024",
            f"task {name} cannot play the {part} part with the arguments {list(args)}: {error}.",
            at=at,
            fix=f'write arguments that it takes, as "{part}_args"',
        ) from error


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _no_part(message: str, at: str, known: Sequence[str]) -> TutorialError:
    return TutorialError("TUTOR-020", f"{message}.", at=at, known=known, fix="write one of these")
