"""The one vocabulary of events: what happens to a task or a process, under one name everywhere.

Modules emit events; `celeriac.events.emit` words them on the logger "celeriac.<room>", with the values as
fields (`record.event`, `record.fields`), so that any handler can count, colour or ship them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

#: is told the room, the event and its fields, in the process and thread where it happened; must not raise
Listener = Callable[[str, str, Mapping[str, Any]], None]

#: name of the event → (level, the sentence a person reads; fields are filled in by name)
VOCABULARY: dict[str, tuple[int, str]] = {
    "broker.opened": (logging.DEBUG, "opened the embedded broker at {path}"),
    "broker.chosen": (logging.INFO, "uses the broker {broker}: {because}"),
    "broker.fell_back": (logging.WARNING, "FALLS BACK to the broker {broker}: {because}"),
    "broker.changed": (
        logging.WARNING,
        "the broker is {broker}, and was {before} the last time: what still waits there is not worked on until "
        "that one is chosen again",
    ),
    "broker.differs": (
        logging.WARNING,
        "this process sends to {broker}, but the workers of this project (process {pid}) use {theirs}: nobody works on "
        "what is sent here until this process is started again",
    ),
    "broker.none": (logging.ERROR, "{error} Sending goes to {broker}, and fails until it answers"),
    "broker.lease_lapsed": (
        logging.WARNING,
        "lease of consumer {consumer} lapsed; messages that went back: {returned}",
    ),
    "broker.ack_refused": (
        logging.WARNING,
        "refused a late ack: the message was handed on after the lease lapsed",
    ),
    "broker.trouble": (logging.WARNING, "the broker cannot work right now, trying on: {error}"),
    "broker.acks_wait": (
        logging.WARNING,
        "acks wait until the results of their tasks can be stored: {error}",
    ),
    "broker.no_bell": (
        logging.WARNING,
        "the server does not tell when messages come, so this consumer looks every {every_ms} ms: {error}",
    ),
    "sqs.waiting": (
        logging.WARNING,
        "queue {queue} cannot be read now, trying again in {pause_s:g} s: {error}",
    ),
    "sqs.reading_again": (logging.INFO, "queue {queue} is read again"),
    "sqs.not_renewed": (
        logging.WARNING,
        "{count} messages of queue {queue} may be run a second time, for their lease was not renewed: {error}",
    ),
    "sqs.not_given_back": (
        logging.WARNING,
        "a message of queue {queue} comes back only when its lease of {lease_s} s ends: {error}",
    ),
    "sqs.not_deleted": (
        logging.WARNING,
        "an ended task of queue {queue} could not be acked yet, trying on: {error}",
    ),
    "broker.unread": (logging.WARNING, "a broadcast message cannot be read, and nobody misses it: {error}"),
    "broker.poison": (logging.ERROR, "set aside a message that kept killing its worker, as letter {letter}"),
    "broker.set_aside": (logging.ERROR, "set aside a message of queue {queue}: {reason}"),
    "results.waiting": (logging.WARNING, "results wait, since they cannot be written, trying on: {error}"),
    "results.refused": (
        logging.ERROR,
        "the result of task {task_id} ({state}) is not kept, for the result backend takes others but not this: {error}",
    ),
    "results.late_write_refused": (
        logging.WARNING,
        "refused a late {state} of task {task_id}: a later delivery has taken over",
    ),
    "chord.failed": (logging.ERROR, "chord {group_id} failed: {error}"),
    "chord.mended": (logging.INFO, "chord {group_id} is mended: its body was sent"),
    "send.spooled": (
        logging.WARNING,
        "task {task_id} for {queue} was not sent and is kept in the spool: {why}",
    ),
    "send.refused": (logging.DEBUG, "a task for {queue} was not sent: {why}"),
    "spool.drained": (logging.INFO, "the broker is back: tasks sent on from the spool {path}: {count}"),
    "spool.set_aside": (
        logging.ERROR,
        "record {record} of the spool {path} cannot be sent and was set aside: {error}",
    ),
    "spool.trouble": (logging.ERROR, "the spool cannot be drained, trying on: {error}"),
    "letter.written": (logging.ERROR, "task {task}[{task_id}] became letter {letter}: {reason}"),
    "letter.recorded": (logging.INFO, "letters recorded: {count}"),
    "letter.replayed": (logging.INFO, "letter {letter} was replayed to queue {queue}"),
    "recorder.waiting": (
        logging.WARNING,
        "the recorder cannot work right now, trying on in {pause_s:.1f}s: {error}",
    ),
    "runs.dropped": (logging.WARNING, "the recorder dropped {count} of what it was told of runs: {reason}"),
    "app.early_tasks": (
        logging.WARNING,
        "bound before the app was adopted, and acked before they run, so that a dying worker loses them: {tasks}",
    ),
    "app.overrules_plan": (
        logging.WARNING,
        "the app sets {setting} itself, and not as {plan} does; the app's holds",
    ),
    "letter.unwritten": (
        logging.CRITICAL,
        "could not write the letter of task {task}[{task_id}], which goes back to its queue: {error}",
    ),
    "task.no_outcome": (
        logging.ERROR,
        "task {task}[{task_id}] ended without an outcome in delivery {delivery} of {after}: {error}",
    ),
    "task.outcome_unstored": (
        logging.ERROR,
        "could not store the failure of task {task}[{task_id}]: {error}",
    ),
    "task.stray_error": (
        logging.ERROR,
        "an error escaped from the handling of a message of {queue}: {error}",
    ),
    "task.retrying": (
        logging.WARNING,
        "task {task}[{task_id}] will retry in {delay_s:.3f}s (retry {retry}): {error}",
    ),
    "schedule.leader_began": (logging.INFO, "leads the schedules now, in term {term}"),
    "schedule.leader_lost": (logging.WARNING, "no longer leads the schedules: term {term} has passed on"),
    "schedule.leader_unsure": (
        logging.WARNING,
        "no longer leads the schedules: term {term} could not be renewed in time",
    ),
    "schedule.leader_resigned": (logging.INFO, "leads the schedules no longer; term {term} is over"),
    "schedule.other_scheduler": (
        logging.WARNING,
        "the app sets beat_scheduler to {scheduler}: it sends alone, and slots may be doubled or missed",
    ),
    "schedule.store_unavailable": (
        logging.WARNING,
        "cannot reach the coordination store, trying on: {error}",
    ),
    "schedule.sent": (
        logging.INFO,
        "schedule {schedule} sent {task}[{task_id}] for its slot {slot}, {late_s:.3f}s after it",
    ),
    "schedule.send_failed": (
        logging.ERROR,
        "schedule {schedule} could not send {task} for its slot {slot}, trying again in {pause_s:.1f}s: {error}",
    ),
    "schedule.missed": (
        logging.WARNING,
        "slots that schedule {schedule} missed: {count}, the last of them {slot}",
    ),
    "schedule.skipped": (
        logging.WARNING,
        "schedule {schedule} skipped its slot {slot}: {why}",
    ),
    "schedule.faulty": (logging.ERROR, "schedule {schedule} is not sent: {error}"),
    "schedule.trouble": (logging.ERROR, "schedule {schedule} cannot be led right now, trying on: {error}"),
    "schedule.tables_unavailable": (
        logging.WARNING,
        "cannot read the schedules of Django now, going on with those read last: {error}",
    ),
    "task.succeeded": (logging.INFO, "task {task}[{task_id}] succeeded in attempt {attempt}"),
    "task.retried": (
        logging.WARNING,
        "task {task}[{task_id}] asks to be tried again after attempt {attempt}: {error}",
    ),
    "task.failed": (logging.ERROR, "task {task}[{task_id}] failed for good in attempt {attempt}: {error}"),
    "hook.failed": (logging.ERROR, "the hook {hook} failed, which changes nothing for its task: {error}"),
    "letter.untold": (logging.ERROR, "{handler} was not sent for letter {letter}, and will not be: {error}"),
    "task.held": (logging.INFO, "task {task}[{task_id}] waits at the broker for {wait_s:.1f}s: {why}"),
    "breaker.opened": (
        logging.ERROR,
        "breaker {breaker} is open after {failures} failures: nothing calls what it guards for {cool_down_s:g}s",
    ),
    "breaker.probing": (logging.INFO, "breaker {breaker} has cooled down and lets one call probe"),
    "breaker.closed": (logging.INFO, "breaker {breaker} is closed: the probe worked"),
    "breaker.reset": (logging.WARNING, "breaker {breaker} was closed by hand"),
    "breaker.blind": (
        logging.ERROR,
        "breaker {breaker} cannot be asked or told, and counts as open: {error}",
    ),
    "rate.blind": (
        logging.ERROR,
        "the rate of {task} cannot be asked for, so its runs wait: {error}",
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
    "scale.slots": (logging.INFO, "{worker} has {slots} slots now, and had {before}: {because}"),
    "scale.workers": (logging.INFO, "pool {pool} has {workers} workers now, and had {before}: {because}"),
    "scale.blind": (
        logging.WARNING,
        "the broker does not say what waits, so nothing grows or shrinks meanwhile: {error}",
    ),
    "scale.sees": (logging.INFO, "the broker says again what waits"),
    "worker.finishing": (logging.INFO, "stopping; still at work on {count}: {tasks}"),
    "worker.is_root": (logging.WARNING, "runs as root; give it a user of its own in production"),
    "up.ready": (logging.INFO, "ready: {count} running after {seconds}s"),
    "up.stopping": (logging.INFO, "stopping; running tasks may finish (Ctrl-C again kills them)"),
    "up.forced": (logging.WARNING, "killing everything that still runs; tasks go back to their queues"),
    "up.unpublished": (logging.WARNING, "what runs cannot be written down for `celeriac status`: {error}"),
    "up.stopped": (logging.INFO, "stopped {how}"),
    "up.reloading": (logging.INFO, "{edited} edited, starting again"),
    "task.ended": (logging.DEBUG, "{task}[{task_id}] ended as {state} after {run_s:.3f}s"),
    "metrics.serving": (logging.INFO, "serving /metrics and /health at port {port}"),
    "metrics.unread": (logging.WARNING, "metrics of the {source} are left out, it does not answer: {error}"),
    "metrics.uncounted": (logging.WARNING, "nothing is counted here, {folder} cannot be written: {error}"),
    "pulse.unwritten": (logging.WARNING, "the heartbeat file {path} cannot be written: {error}"),
    "up.edit_refused": (logging.ERROR, "the edited plan is not used:\n{error}"),
}


_listeners: dict[str, Listener] = {}


def listen(name: str, listener: Listener) -> None:
    """Have `listener` told of every event of this process, also of those below the log level.

    name: listening again under the same name replaces the listener.
    """
    _listeners[name] = listener


def emit(room: str, event: str, **fields: Any) -> None:
    """Say that `event` happened in `room`, with its values as fields."""
    level, sentence = VOCABULARY[event]
    for listener in tuple(_listeners.values()):
        listener(room, event, fields)
    logger = logging.getLogger(f"celeriac.{room}")
    if logger.isEnabledFor(level):
        logger.log(level, sentence.format(**fields), extra={"event": event, "fields": fields})
