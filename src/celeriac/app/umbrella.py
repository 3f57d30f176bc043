"""Celery's worker command, run without the rest of Celery's command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from celery.bin.base import CLIContext
from celery.bin.worker import worker


def run_worker(app: Any, options: Sequence[str]) -> int:
    """Run `celery worker` with these options until it ends, and give its exit code.

    `app.worker_main` would first import all of Celery's commands. One of them brings in an interactive shell: 7 MB in
    each worker, and half a second of its start.

    Raises: click.ClickException for options that are none; whatever ends a worker.
    """
    if os.environ.get("SKIP_CHECKS"):
        # As Celery's umbrella command tells its Django fixup.
        os.environ["CELERY_SKIP_CHECKS"] = "true"
    asked = {option.name for option in worker.params}
    for name in ("worker", "preload"):
        worker.params.extend(option for option in app.user_options.get(name, ()) if option.name not in asked)
    about = CLIContext(app=app, no_color=bool(os.environ.get("NO_COLOR")), workdir=None, quiet=True)
    code = worker.main(list(options), prog_name="celery worker", standalone_mode=False, obj=about)
    return int(code or 0)
