"""The production settings of every app, each with its reason; what the team sets itself always wins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from celeriac.app.grace import SOFT_SHUTDOWN
from celeriac.plan import Plan


class Setting(NamedTuple):
    """One Celery setting with another value than Celery's, or one that our promises rest on."""

    name: str
    value: Any
    why: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "task_acks_late",
        True,
        "A message is acked when its task has ended, not when it begins: a worker that dies in between loses nothing. "
        "The task may then run twice, so it should be safe to repeat.",
    ),
    Setting(
        "task_reject_on_worker_lost",
        True,
        "A task whose process died goes back to its queue. Celery alone would repeat that without end; here it "
        "becomes a letter after `letters.after` deliveries.",
    ),
    Setting(
        "task_acks_on_failure",
        True,
        "A failed task is acked, after its letter is written; retries are for the policy to say.",
    ),
    Setting(
        "task_acks_on_timeout",
        True,
        "A task killed at its hard limit is acked, after its letter is written; Celery's False repeats it for ever.",
    ),
    Setting(
        "worker_prefetch_multiplier",
        1,
        "A worker takes one message a slot: a short task never waits in one worker behind a long one while another "
        "worker is idle. A pool's `prefetch` says otherwise.",
    ),
    Setting(
        "event_queue_ttl",
        60.0,
        "What workers tell of tasks waits a minute for the recorder on RabbitMQ; with Celery's 5 s a recorder that is "
        "held up for a moment misses runs.",
    ),
    Setting(
        "accept_content",
        ("json",),
        "Only JSON is read: whoever can write to the broker can run code in a worker that reads pickle.",
    ),
    Setting("task_serializer", "json", "What is sent is what workers accept."),
    Setting("result_serializer", "json", "Results are read by other processes, under the same rule."),
    Setting(
        "enable_utc",
        True,
        "Times in messages and cron schedules are UTC: hosts in different zones agree, and none is skipped or doubled "
        "when clocks change.",
    ),
    Setting(
        "result_expires",
        timedelta(days=1),
        "Results are for the sender that waits; history is kept in the records. They would fill the disk.",
    ),
    Setting(
        "broker_connection_retry_on_startup",
        True,
        "A worker that starts before its broker waits for it.",
    ),
    Setting(
        "broker_connection_max_retries",
        None,
        "It waits for as long as it takes; Celery's 100 attempts end the worker in a long outage.",
    ),
    Setting(
        "broker_channel_error_retry",
        True,
        "An error on a channel (a failover, a consumer timeout) makes the worker connect anew instead of ending it.",
    ),
    Setting(
        "worker_cancel_long_running_tasks_on_connection_loss",
        True,
        "After a lost connection the broker gives a running task to another worker, so this one stops running it.",
    ),
    Setting(
        "worker_autoscaler",
        "celeriac.app.autoscaler:Autoscaler",
        "A worker with `autoscale` gets slots by what waits in its queues and how long it may (`max_wait`); Celery's "
        "own looks only at what the worker has taken already.",
    ),
    Setting(
        "worker_proc_alive_timeout",
        30.0,
        "A pool process has this many seconds to start; Celery's 4 kill processes on a busy machine.",
    ),
    Setting(
        "beat_scheduler",
        "celeriac.schedule.scheduler:Scheduler",
        "However many beats run, each slot of a schedule is sent once; Celery's own keeps a file, and two of them send "
        "everything twice.",
    ),
    Setting(
        "worker_hijack_root_logger",
        False,
        "Logging that the application has set up stays as it is.",
    ),
)


def settings_for(plan: Plan) -> dict[str, Any]:
    """Give the settings of an app by name, those included that follow from the plan."""
    settings: dict[str, Any] = {setting.name: setting.value for setting in SETTINGS}
    settings["task_default_queue"] = plan.default_queue
    settings[SOFT_SHUTDOWN] = _shortest_grace_s(plan)
    if plan.records is not None:
        # The recorder of runs lives on them; they are sent in batches, see observe.task_events.
        settings["worker_send_task_events"] = True
    if plan.queues:
        # A queue nobody declared is a queue nobody reads: refuse to send there.
        settings["task_create_missing_queues"] = False
    return settings


def _shortest_grace_s(plan: Plan) -> float:
    # A worker learns of its pool only by its command line, so the app takes the grace that fits every pool.
    graces = [pool.grace for pool in plan.pools.values()]
    return min(graces).total_seconds() if graces else 60.0
