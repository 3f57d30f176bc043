"""The tests of the quick cut: about a minute of the half hour, something of every kind."""

from __future__ import annotations

QUICK = (
    # canvas: order, replacement, errors, chords in groups in chains
    "test_canvas.py::test_chain::test_complex_chain",
    "test_canvas.py::test_chain::test_group_chord_group_chain",
    "test_canvas.py::test_chain::test_second_order_replace",
    "test_canvas.py::test_chain::test_chain_on_error",
    "test_canvas.py::test_chain::test_chord_soft_timeout_recuperation",
    "test_canvas.py::test_group::test_nested_group_chord_counting_simple",
    "test_canvas.py::test_chord::test_chord_in_chords_with_chains",
    "test_canvas.py::test_chord::test_replaced_nested_chord",
    "test_canvas.py::test_chord::test_error_propagates_to_chord_from_chain",
    "test_canvas.py::test_chord::test_priority_chain",
    "test_canvas.py::test_stamping_mechanism::test_stamps_remain_on_task_retry",
    # tasks: outcomes, retries, limits, revoking, the worker's log
    "test_tasks.py::test_class_based_tasks",
    "test_tasks.py::test_tasks::test_basic_task",
    "test_tasks.py::test_tasks::test_wrong_arguments",
    "test_tasks.py::test_tasks::test_fail_with_unpickleable_exception",
    "test_tasks.py::test_tasks::test_task_retried_once",
    "test_tasks.py::test_tasks::test_task_retried_priority",
    "test_tasks.py::test_tasks::test_reject_with_requeue_redelivers_and_succeeds",
    "test_tasks.py::test_tasks::test_reject_without_requeue_stores_failure",
    "test_tasks.py::test_tasks::test_apply_async_time_limits_override_task_declaration",
    "test_tasks.py::test_task_redis_result_backend::test_ignoring_result_no_subscriptions",
    # remote control
    "test_inspect.py::test_Inspect::test_stats",
    "test_inspect.py::test_Inspect::test_registered",
    "test_inspect.py::test_Inspect::test_active_queues",
    # results
    "test_redis_backend.py::test_concurrent_result_gets_on_shared_pubsub",
    "test_redis_backend.py::test_pubsub_subscribe_churn_while_draining",
    "test_group_chains.py::test_group_chains::test_group_results_reach_the_next_group[True-False-False-2]",
)
