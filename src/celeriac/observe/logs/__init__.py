"""Logs: what goes where, in which form, and what never appears in any of them.

`records` marks every log record of the process with its task and hides credentials, whichever handler writes it;
`formats` words records for people or machines; `files` keeps files that many processes write; `setup` does what the
plan's `[logs]` says, where Celery would set logging up.
"""

from __future__ import annotations

from celeriac.observe.logs.setup import set_up_logs

__all__ = ["set_up_logs"]
