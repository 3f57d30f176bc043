"""What Celery's own tests are expected to skip or to fail on each setting, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from celery_suite.running import Outcome

#: how what a test says begins when it skips itself -> why it may
SKIPS: Mapping[str, str] = {
    "Requires memcached cache result backend": "about a backend that we do not replace",
    "Broken test": "Celery's own mark",
    "Randomly fails": "Celery's own mark",
}
#: likewise, where results and messages are in a file
SKIPS_ON_SQLITE: Mapping[str, str] = {
    "Requires redis": "asks the URL of the backend: looks inside Redis, or keeps its own notes there",
    "Requires Redis": "likewise",
    "get_many is the key/value backend poll loop": "about Celery's key/value backends",
    "half-open cleanup path needs a plaintext TCP redis broker": "about connections to a server",
    "The delay may only occur in the cache backend": "about Celery's cache backend",
}


@dataclass(frozen=True)
class Difference:
    """Tests that fail, and why they are right to.

    tests: ids or patterns of ids, in which "[[]" is a bracket. settings: names or patterns of names.
    is_steady: whether they always fail; else they may pass.
    """

    tests: tuple[str, ...]
    settings: tuple[str, ...]
    reason: str
    is_steady: bool = True

    def names(self, setting: str, test: str) -> bool:
        is_here = any(fnmatchcase(setting, each) for each in self.settings)
        return is_here and any(fnmatchcase(test, each) for each in self.tests)


OURS = ("redis-*", "sqlite-*")
ON_REDIS = ("redis-*",)
ON_SQLITE = ("sqlite-*",)
PROCESSES = ("redis-processes",)
ASYNCIO = ("redis-asyncio",)

DIFFERENCES: tuple[Difference, ...] = (
    # What is otherwise by design.
    Difference(
        ("test_inspect.py::test_Inspect::test_active", "test_inspect.py::test_Inspect::test_query_task"),
        OURS,
        "a running task is not acked yet, and `delivery_info` says how many deliveries went before",
    ),
    Difference(
        ("test_inspect.py::test_Inspect::test_scheduled",),
        OURS,
        "a task with an eta waits at the broker, not in a worker's memory",
    ),
    Difference(
        ("test_canvas.py::test_chord::test_generator[[]*",),
        ON_REDIS,
        "a group leaves in steps once all of it is made, so that an error in between sends none of it",
    ),
    Difference(
        ("test_canvas.py::test_chord::test_reapplying_frozen_chord_dispatches_body_again",),
        ON_REDIS,
        "a group id fires once, whatever is redelivered; a frozen chord that is applied again has the same id",
    ),
    Difference(
        ("test_canvas.py::test_chord::test_error_propagates_from_chord",),
        ON_REDIS,
        "passes, where Celery expects its own failure (its issue 6437)",
    ),
    # What looks inside.
    Difference(
        (
            "test_canvas.py::test_chord::test_chord_on_error",
            "test_redis_backend.py::test_chord_expires",
            "test_redis_backend.py::test_chord_part_return_records_each_header_task_once[[]*",
        ),
        ON_REDIS,
        "looks for the parts of a chord under stock's keys",
    ),
    Difference(
        (
            "test_redis_backend.py::test_pubsub_reentrant_cancel_from_finalizer",
            "test_tasks.py::test_task_redis_result_backend::test_asyncresult_*_cancels_subscription",
        ),
        ON_REDIS,
        "expects a subscription for each task as it is sent; ours comes when somebody waits",
    ),
    Difference(
        ("test_redis_backend.py::test_failure_expires",),
        ON_REDIS,
        "reads the server beside the backend, and a worker in the same process gathers results for 2 ms",
        is_steady=False,
    ),
    # What an executor is.
    Difference(
        ("test_canvas.py::test_chain::test_chord_soft_timeout_recuperation",),
        ASYNCIO,
        "the soft limit of a plain function: it runs in a thread, where no exception can be raised from outside",
    ),
    Difference(
        ("test_canvas.py::test_chord::test_chord_error_propagation_with_different_body_types[[]*",),
        ON_REDIS,
        "asks for the error of a chord's part, and is told its body's where that comes while it waits (sometimes)",
        is_steady=False,
    ),
    Difference(
        ("test_inspect.py::test_Inspect::test_stats",),
        ASYNCIO,
        "looks for pool processes, and there are none",
    ),
    Difference(
        (
            "test_canvas.py::test_stamping_mechanism::test_task_received_has_access_to_stamps",
            "test_canvas.py::test_stamping_mechanism::test_linking_stamped_sig",
            "test_canvas.py::test_stamping_mechanism::test_err_linking_stamped_sig",
            "test_tasks.py::test_task_replacement::test_replaced_task_nesting_level_*",
            "test_tasks.py::test_task_replacement::test_replaced_task_nesting_chain",
            "test_tasks.py::test_signal_bound_method_receivers::test_*",
        ),
        PROCESSES,
        "listens for `task_received` in the parent, after the slots were forked; every slot receives for itself",
    ),
    Difference(
        (
            "test_tasks.py::test_tasks::test_send_task_without_ignore_result_*",
            "test_tasks.py::test_task_redis_result_backend::test_retry_preserves_ignore_result_*",
        ),
        PROCESSES,
        "reads what the parent remembers of successes; every slot has its own",
    ),
    Difference(
        ("test_tasks.py::test_tasks::test_revoked_by_headers_simple_canvas",),
        PROCESSES,
        "empties what the parent remembers of what was revoked; a slot has its own until the next revoke (sometimes)",
        is_steady=False,
    ),
    Difference(
        ("test_tasks.py::test_tasks::test_revoked_by_headers_complex_canvas",),
        PROCESSES,
        "sends at once after a revoke, which reaches a slot by its parent; a SUCCESS is not overwritten (sometimes)",
        is_steady=False,
    ),
    Difference(
        ("test_tasks.py::test_trace_log_arguments::test_task_*",),
        PROCESSES,
        "reads the log of pool processes, which Celery's test worker collects from prefork only",
    ),
    # What the tests take for granted.
    Difference(
        ("test_canvas.py::test_chain::test_chord_header_id_duplicated_on_rabbitmq_msg_duplication[[]*",),
        ON_SQLITE,
        "sends a Signal object as a property, which only AMQP leaves out",
    ),
    Difference(
        ("test_worker.py::test_concurrency_auto_sizes_prefork_pool",),
        ON_SQLITE,
        "starts a worker without the plan, and stock Celery does not know this broker",
    ),
)


def surprises(setting: str, outcome: Outcome) -> dict[str, str]:
    """Give what became of tests otherwise than expected: by id, with what was said."""
    told = {name: f"failed: {said}" for name, said in outcome.failed.items() if not _expected(setting, name)}
    for name, said in outcome.skipped.items():
        known = {**SKIPS, **(SKIPS_ON_SQLITE if setting.startswith("sqlite") else {})}
        if not any(said.startswith(each) for each in known):
            told[name] = f"skipped: {said}"
    for name in outcome.passed - set(outcome.wavering):
        if any(each.is_steady and each.names(setting, name) for each in DIFFERENCES):
            told[name] = "passed, and is listed as a difference: take it off the list"
    return told


def _expected(setting: str, test: str) -> bool:
    return any(each.names(setting, test) for each in DIFFERENCES)
