"""The table of all metrics: name, kind, labels and meaning, each once.

Names follow Prometheus's conventions (base units, `_total` for counters, which exposition adds). The `celery_…` ones
are the names known from Celery's tutorials, worked out from the same counts.
"""

from __future__ import annotations

from typing import Literal

import msgspec

#: from a cached lookup to an hour's batch
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
#: from no arguments at all to what belongs into a file
BYTES = (128.0, 512.0, 2048.0, 8192.0, 32_768.0, 131_072.0, 524_288.0, 2_097_152.0, 8_388_608.0)


class Family(msgspec.Struct, frozen=True):
    """One metric with all its labels.

    name: without the `_total` that counters get.
    buckets: upper bounds of a histogram's.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    says: str
    buckets: tuple[float, ...] = SECONDS


SUBMISSIONS = Family(
    "celeriac_task_submissions",
    "counter",
    ("task", "queue"),
    "Tasks accepted by the broker; retries, and tasks sent back to wait, are not counted again.",
)
REFUSED = Family(
    "celeriac_sends_refused",
    "counter",
    ("queue", "why"),
    "Tasks that were not sent, and whose sender was told: the queue was full, or the broker away.",
)
SPOOLED = Family("celeriac_sends_spooled", "counter", ("queue",), "Tasks kept in the spool instead of sent.")
SPOOL_TASKS = Family(
    "celeriac_spool_tasks",
    "gauge",
    ("state",),
    "Tasks in this host's spool: waiting for the broker, or set aside since they cannot be sent.",
)
SPOOL_BYTES = Family("celeriac_spool_bytes", "gauge", (), "What this host's spool holds.")
SPOOL_OLDEST = Family(
    "celeriac_spool_oldest_age_seconds",
    "gauge",
    (),
    "How long the oldest task has waited in this host's spool.",
)
COMPLETIONS = Family("celeriac_task_completions", "counter", ("task",), "Runs that ended in success.")
FAILURES = Family(
    "celeriac_task_failures",
    "counter",
    ("task",),
    "Tasks that failed for good, those included that killed their process.",
)
RETRIES = Family("celeriac_task_retries", "counter", ("task",), "Runs that ended in a retry.")
DROPS = Family(
    "celeriac_task_drops",
    "counter",
    ("task", "reason"),
    "Tasks ended without an outcome: revoked, expired, ignored, or rejected by their own code.",
)
RUN = Family("celeriac_task_run_seconds", "histogram", ("task",), "Run time of a task, whatever its outcome.")
WAIT = Family(
    "celeriac_task_wait_seconds",
    "histogram",
    ("queue",),
    "From sending (or from its eta, if later) to the start of a run.",
)
PAYLOAD = Family(
    "celeriac_task_payload_bytes",
    "histogram",
    ("task",),
    "Size of a message's body, the arguments, as a worker receives it; of retries and redeliveries too.",
    BYTES,
)
LETTERS_WRITTEN = Family("celeriac_letters_written", "counter", ("reason",), "Dead letters written.")
EVENTS = Family(
    "celeriac_events", "counter", ("event",), "Events of the vocabulary (docs/reference/events.md)."
)

QUEUE_MESSAGES = Family(
    "celeriac_queue_messages",
    "gauge",
    ("queue", "state"),
    "Messages of all priorities: ready, delayed (wait for their time), unacked (with a worker).",
)
QUEUE_OLDEST = Family(
    "celeriac_queue_oldest_age_seconds",
    "gauge",
    ("queue",),
    "How long the oldest ready message has waited; 0 if none.",
)
QUEUE_CONSUMERS = Family("celeriac_queue_consumers", "gauge", ("queue",), "Consumers that read the queue.")
QUEUE_MAX_WAIT = Family(
    "celeriac_queue_max_wait_seconds",
    "gauge",
    ("queue",),
    "The plan's objective; a message waiting longer is late.",
)
BROKER_UP = Family("celeriac_broker_up", "gauge", (), "1 if the broker answered this scrape.")
BROKER_UNACKED = Family(
    "celeriac_broker_unacked_messages",
    "gauge",
    (),
    "Messages with workers, where the broker counts them for all queues together (Redis).",
)
WORKER_UP = Family(
    "celeriac_worker_up", "gauge", ("worker",), "1 if the worker's loop turns, 0 if it hangs or is gone."
)
WORKER_BEAT_AGE = Family(
    "celeriac_worker_heartbeat_age_seconds", "gauge", ("worker",), "Since the worker's loop last turned."
)
WORKER_SLOTS = Family("celeriac_worker_slots", "gauge", ("worker",), "Tasks the worker can run at once.")
WORKER_BUSY = Family("celeriac_worker_busy_slots", "gauge", ("worker",), "Tasks the worker runs now.")
LETTERS = Family("celeriac_letters", "gauge", ("queue",), "Recorded dead letters that wait for a decision.")
SCHEDULE_LAG = Family(
    "celeriac_schedule_lag_seconds",
    "gauge",
    ("schedule",),
    "How far the last fire of a schedule was behind its slot.",
)
SCHEDULE_OVERDUE = Family(
    "celeriac_schedule_overdue_seconds",
    "gauge",
    ("schedule",),
    "How long the first slot that was not sent has been due; 0 if none is.",
)
SCHEDULE_SENT = Family(
    "celeriac_schedule_last_sent_timestamp_seconds",
    "gauge",
    ("schedule",),
    "When a schedule was last sent; epoch seconds.",
)
BOOKS = Family("celeriac_metrics_books", "gauge", (), "Files of counts that are open or not yet folded.")
BUILD = Family("celeriac_build_info", "gauge", ("version",), "Always 1; the version that serves this.")

#: counted by processes into their books
COUNTED = (
    SUBMISSIONS,
    REFUSED,
    SPOOLED,
    COMPLETIONS,
    FAILURES,
    RETRIES,
    DROPS,
    RUN,
    WAIT,
    PAYLOAD,
    LETTERS_WRITTEN,
    EVENTS,
)
#: read when scraped
READ = (
    QUEUE_MESSAGES,
    QUEUE_OLDEST,
    QUEUE_CONSUMERS,
    QUEUE_MAX_WAIT,
    BROKER_UP,
    BROKER_UNACKED,
    WORKER_UP,
    WORKER_BEAT_AGE,
    WORKER_SLOTS,
    WORKER_BUSY,
    LETTERS,
    SCHEDULE_LAG,
    SCHEDULE_OVERDUE,
    SCHEDULE_SENT,
    SPOOL_TASKS,
    SPOOL_BYTES,
    SPOOL_OLDEST,
    BOOKS,
    BUILD,
)

CELERY_SUBMISSIONS = Family(
    "celery_task_submissions", "counter", ("task_name",), "As celeriac_task_submissions_total."
)
CELERY_COMPLETIONS = Family(
    "celery_task_completions", "counter", ("task_name",), "As celeriac_task_completions_total."
)
CELERY_FAILURES = Family(
    "celery_task_failures", "counter", ("task_name",), "As celeriac_task_failures_total."
)
CELERY_RETRIES = Family("celery_task_retries", "counter", ("task_name",), "As celeriac_task_retries_total.")
CELERY_DURATION = Family(
    "celery_task_duration_seconds", "histogram", ("task_name",), "As celeriac_task_run_seconds."
)
CELERY_TASKS = Family(
    "celery_tasks", "counter", ("status",), "Ends of runs by status: success, failure, retry."
)
CELERY_PROCESSED = Family(
    "celery_tasks_processed",
    "counter",
    ("task_name", "status"),
    "Ends of runs by task and status: success, failure, retry.",
)
#: worked out from COUNTED
DERIVED = (
    CELERY_SUBMISSIONS,
    CELERY_COMPLETIONS,
    CELERY_FAILURES,
    CELERY_RETRIES,
    CELERY_DURATION,
    CELERY_TASKS,
    CELERY_PROCESSED,
)
#: family -> the status that celery_tasks_total gives it
STATUSES = {COMPLETIONS.name: "success", FAILURES.name: "failure", RETRIES.name: "retry"}
