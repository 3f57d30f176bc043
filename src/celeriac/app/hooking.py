"""Giving an app its hooks, and telling of new letters."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery

from celeriac.events import emit
from celeriac.records import Letter
from celeriac.tasks.hooks import Hooks, follow
from celeriac.tasks.runtime import runtime_of


def add_hooks(app: Celery, hooks: Hooks) -> Hooks:
    """Have `hooks` called at the moments of every task of the app. Returns: the same hooks.

    Call it where the app is made, so that every process of it has them.
    Raises: AppError if the app is neither made nor adopted by Celeriac.
    """
    listed = runtime_of(app).hooks
    if not listed:
        follow(app, listed)
    listed.add(hooks)
    return hooks


def tell_of_letters(app: Celery) -> Callable[[Letter], None] | None:
    """Give what a recorder calls for each new letter: the hooks, and the task that [letters].handler names.

    None if there is nobody to tell. Nothing it does is tried again: a letter is told of at most once.
    """
    runtime = runtime_of(app)
    handler = runtime.plan.letters.handler
    if handler is None and not runtime.hooks:
        return None

    def tell(letter: Letter) -> None:
        task_id = letter.task_id or ""
        runtime.hooks.tell("handle_dead_letter", task_id, letter.reason)
        # The handler's own letters would be told of for ever.
        if handler is None or letter.task == handler:
            return
        try:
            app.send_task(handler, (task_id, letter.reason))
        except Exception as error:
            emit("app", "letter.untold", letter=letter.id, handler=handler, error=repr(error))

    return tell
