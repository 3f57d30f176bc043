"""The one vocabulary of events: what happens to a task or a process, under one name everywhere.

Modules emit events; `celeriac.events.emit` words them on the logger "celeriac.<room>", with the values as fields
(`record.event`, `record.fields`), so that any handler can count, colour or ship them.
"""

from __future__ import annotations

import logging
from typing import Any

#: name of the event → (level, the sentence a person reads; fields are filled in by name)
VOCABULARY: dict[str, tuple[int, str]] = {
    "broker.opened": (logging.DEBUG, "opened the embedded broker at {path}"),
    "broker.lease_lapsed": (logging.WARNING, "lease of consumer {consumer} lapsed; {returned} messages went back"),
    "broker.ack_refused": (logging.WARNING, "refused a late ack: the message was handed on after the lease lapsed"),
    "broker.set_aside": (logging.ERROR, "set aside a message of queue {queue}: {reason}"),
    "letter.written": (logging.ERROR, "task {task}[{task_id}] became letter {letter}: {reason}"),
    "letter.recorded": (logging.INFO, "recorded {count} letters"),
    "task.retrying": (logging.WARNING, "task {task}[{task_id}] will retry in {delay_s:.3f}s (retry {retry}): {error}"),
}


def emit(room: str, event: str, **fields: Any) -> None:
    """Say that `event` happened in `room`, with its values as fields."""
    level, sentence = VOCABULARY[event]
    logger = logging.getLogger(f"celeriac.{room}")
    if logger.isEnabledFor(level):
        logger.log(level, sentence.format(**fields), extra={"event": event, "fields": fields})
