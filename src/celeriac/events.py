"""The one vocabulary of events: what happens to a task or a process, under one name everywhere.

Modules emit events; `celeriac.events.emit` words them on the logger "celeriac.<room>", with the values as
fields (`record.event`, `record.fields`), so that any handler can count, colour or ship them.
"""

from __future__ import annotations

import logging
from typing import Any

#: name of the event → (level, the sentence a person reads; fields are filled in by name)
VOCABULARY: dict[str, tuple[int, str]] = {
    "broker.opened": (logging.DEBUG, "opened the embedded broker at {path}"),
    "broker.lease_lapsed": (
        logging.WARNING,
        "lease of consumer {consumer} lapsed; {returned} messages went back",
    ),
    "broker.ack_refused": (
        logging.WARNING,
        "refused a late ack: the message was handed on after the lease lapsed",
    ),
    "broker.set_aside": (logging.ERROR, "set aside a message of queue {queue}: {reason}"),
    "letter.written": (logging.ERROR, "task {task}[{task_id}] became letter {letter}: {reason}"),
    "letter.recorded": (logging.INFO, "recorded {count} letters"),
    "task.retrying": (
        logging.WARNING,
        "task {task}[{task_id}] will retry in {delay_s:.3f}s (retry {retry}): {error}",
    ),
    "process.ended": (logging.WARNING, "{name} ended without being asked, {how}, after {ran}"),
    "process.restarting": (logging.INFO, "{name} is started again in {delay}"),
    "process.held": (logging.WARNING, "{name} waits for the next edit"),
    "process.failing": (
        logging.ERROR,
        "{name} failed {failures} times in a row at its start; its lines above say why, and it is tried on",
    ),
    "process.unstartable": (logging.ERROR, "{name} cannot be started: {error}"),
    "process.overdue": (logging.WARNING, "{name} runs on after its grace of {grace}; it must drop its tasks"),
    "process.killed": (logging.ERROR, "{name} did not stop and is killed; its tasks go back to their queues"),
    "up.ready": (logging.INFO, "ready: {count} processes in {seconds}s"),
    "up.stopping": (logging.INFO, "stopping; running tasks may finish (Ctrl-C again kills them)"),
    "up.forced": (logging.WARNING, "killing everything that still runs; tasks go back to their queues"),
    "up.stopped": (logging.INFO, "stopped {how}"),
    "up.reloading": (logging.INFO, "{edited} edited, starting again"),
    "up.edit_refused": (logging.ERROR, "the edited plan is not used:\n{error}"),
}


def emit(room: str, event: str, **fields: Any) -> None:
    """Say that `event` happened in `room`, with its values as fields."""
    level, sentence = VOCABULARY[event]
    logger = logging.getLogger(f"celeriac.{room}")
    if logger.isEnabledFor(level):
        logger.log(level, sentence.format(**fields), extra={"event": event, "fields": fields})
