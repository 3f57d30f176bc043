"""Writing docs/reference/settings.md from the table of settings.

python -m celeriac.app.reference            write the page
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from celeriac.app.settings import SETTINGS
from celeriac.tasks.decompression import LIMIT_BYTES
from celeriac.tasks.limits import TIME_LIMIT_S

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "settings.md"

_HEAD = """\
# Settings

<!-- Written by `python -m celeriac.app.reference` from src/celeriac/app/settings.py; edits here are lost. -->

`create_app` and `adopt` give a Celery app these settings. Whatever the team sets itself wins: in
`create_app(task_acks_late=False)`, in `app.conf`, in a configuration module, in Django's settings.

| setting | value | why |
|---|---|---|
"""

_FROM_THE_PLAN = """
## From the plan

| setting | value |
|---|---|
| `broker_url` | the plan's `broker`; relative sqlite paths are taken from the plan's folder |
| `result_backend` | the plan's `results`, likewise |
| `task_queues` | one queue for each in the plan, and no other |
| `task_default_queue` | `default` if the plan declares it, else the first queue, else `celery` |
| `task_create_missing_queues` | `False` if the plan declares queues: nobody reads a queue that nobody declared |
| `task_routes` | the team's own routes, then the `queue` and `priority` of the policies |
| `include` | the team's own modules, and the plan's `imports` |
| `beat_schedule` | the plan's schedules; an entry of the team's own with the same name wins |
| `broker_transport_options` | on the embedded broker: the letters queue, `letters.after`, the bounds of queues |
| `worker_soft_shutdown_timeout` | the shortest `grace` of the pools, 60 s without pools; none after a warm shutdown |
| `worker_consumer` | the consumer that sets bad messages aside as letters |
| `worker_send_task_events` | `True` if the plan has `[records]`: the history of runs lives on them |

The base class of tasks is `celeriac.Task`; a task with a base class of its own is given the same request, strategy
and policy when the app is finalized.

## Bounds that are no settings

| what | bound |
|---|---|
"""


def page() -> str:
    """Give the text of the page."""
    settings = "".join(
        f"| `{setting.name}` | {_said(setting.value)} | {setting.why} |\n" for setting in SETTINGS
    )
    bounds = (
        f"| a run where no message, task, pool or setting gives a limit | killed after {TIME_LIMIT_S:g} s; "
        "`task_time_limit=0` lifts it; prefork only |\n"
        f"| a compressed message | {LIMIT_BYTES // 2**20} MiB unpacked; more is a letter, still packed |\n"
    )
    return _HEAD + settings + _FROM_THE_PLAN + bounds


def _said(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"`timedelta(days={value.days})`"
    return f"`{list(value) if isinstance(value, tuple) else value!r}`"


if __name__ == "__main__":
    PAGE.write_text(page())
