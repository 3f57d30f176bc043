"""Profiles, the topology, and the command line of a Celery worker."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from celeriac.errors import PlanError
from celeriac.plan import (
    Autoscale,
    Beat,
    Plan,
    Pool,
    Process,
    Queue,
    Schedule,
    celery_arguments,
    celery_environ,
    effective,
    read_plan,
    topology,
)
from celeriac.plan.profiles import cpu_count

QUEUES = {"high": Queue(), "default": Queue()}
POOLS = {
    "web": Pool(queues=("high", "default"), profile="io", replicas=2, grace=timedelta(seconds=5)),
    "batch": Pool(queues=("default",), profile="cpu", autoscale=Autoscale(min=1, max=4)),
    "plain": Pool(queues=("default",)),
    "big": Pool(
        queues=("default",),
        profile="ram",
        time_limit=timedelta(seconds=90),
        soft_time_limit=timedelta(milliseconds=1500),
        max_memory_per_child=512 * 2**20 + 1,
        gossip=False,
        mingle=False,
    ),
}
PLAN = Plan(queues=QUEUES, pools=POOLS)


def arguments(pool: str, **environ: str) -> tuple[str, ...]:
    return celery_arguments(PLAN, pool, 1, environ)


def test_a_profile_fills_in_what_the_pool_leaves_out():
    io = effective(Pool(queues=("a",), profile="io"))
    assert (io.executor, io.concurrency, io.prefetch) == ("threads", 20, 4)
    cpu = effective(Pool(queues=("a",), profile="cpu", prefetch=7))
    assert (cpu.executor, cpu.concurrency, cpu.prefetch) == ("prefork", cpu_count(), 7)
    ram = effective(Pool(queues=("a",), profile="ram"))
    assert (ram.concurrency, ram.max_tasks_per_child, ram.max_memory_per_child) == (1, 100, 2**30)


def test_processes_keep_what_prefork_keeps():
    pool = Pool(queues=("a",), profile="ram", executor="processes")
    assert (effective(pool).max_tasks_per_child, effective(pool).max_memory_per_child) == (100, 2**30)
    plan = Plan(queues=QUEUES, pools={"fast": msgspec.structs.replace(POOLS["batch"], executor="processes")})
    assert celery_arguments(plan, "fast", 1, {"MAX_TASKS_PER_CHILD": "9"})[3:5] == ("-P", "custom")
    assert celery_environ(plan, "fast") == {"CELERY_CUSTOM_WORKER_POOL": "celeriac.pools.processes:TaskPool"}


def test_the_custom_profile_leaves_the_rest_to_the_app():
    custom = effective(Pool(queues=("a",)))
    assert custom.executor == "prefork"
    assert (custom.concurrency, custom.prefetch, custom.max_tasks_per_child) == (None, None, None)


def test_a_profile_sets_nothing_that_the_executor_could_not_keep():
    threads = effective(Pool(queues=("a",), profile="ram", executor="threads"))
    assert (threads.max_tasks_per_child, threads.max_memory_per_child) == (None, None)
    assert effective(Pool(queues=("a",), profile="io", executor="solo")).concurrency == 1
    assert effective(POOLS["batch"]).concurrency is None


def test_the_topology_is_every_worker_and_one_recorder():
    processes = topology(PLAN)
    assert [process.name for process in processes] == [
        "web-1",
        "web-2",
        "batch-1",
        "plain-1",
        "big-1",
        "recorder",
    ]
    assert processes[1] == Process(
        name="web-2",
        kind="worker",
        argv=("celeriac", "worker", "web", "--replica", "2"),
        grace=timedelta(seconds=5),
        pool="web",
        replica=2,
    )
    assert (processes[-1].kind, processes[-1].argv) == ("recorder", ("celeriac", "recorder"))


def test_a_plan_has_as_many_beats_as_it_says():
    one = Schedule(task="t", every=timedelta(seconds=1))
    for schedules, replicas, expected in (
        ({}, None, []),
        ({}, 1, ["beat"]),
        ({"s": one}, None, ["beat"]),
        ({"s": one}, 0, []),
        ({"s": one}, 3, ["beat-1", "beat-2", "beat-3"]),
    ):
        plan = Plan(schedules=schedules, beat=Beat(replicas=replicas))
        assert [each.name for each in topology(plan) if each.kind == "beat"] == expected


def test_a_plan_with_schedules_has_one_beat():
    plan = Plan(schedules={"a": Schedule(task="t", every=timedelta(seconds=1))})
    assert [(process.name, process.argv) for process in topology(plan)][-1] == ("beat", ("celeriac", "beat"))


def test_each_process_reads_the_same_file_and_environment(tmp_path):
    file = tmp_path / "celeriac.toml"
    file.write_text('[queues.a]\n[pools.p]\nqueues = ["a"]\n[environments.live.letters]\nafter = 5\n')
    for process in topology(read_plan(file, env="live", environ={})):
        assert process.argv[-2:] == ("--plan", str(file))
        assert process.env == {"CELERIAC_ENV": "live"}


def test_a_pool_with_no_replicas_has_no_worker():
    assert [process.name for process in topology(Plan(pools={"web": Pool(queues=("a",), replicas=0)}))] == [
        "recorder"
    ]


def test_the_command_line_is_what_the_pool_says():
    assert arguments("web") == (
        *("worker", "-Q", "high,default", "-P", "threads", "-c", "20", "--prefetch-multiplier", "4"),
        *("-n", "web-1@%h", "--loglevel", "INFO"),
    )
    assert arguments("batch")[3:9] == ("-P", "prefork", "--autoscale", "4,1", "--prefetch-multiplier", "1")
    assert arguments("plain") == (
        "worker",
        "-Q",
        "default",
        "-P",
        "prefork",
        "-n",
        "plain-1@%h",
        "--loglevel",
        "INFO",
    )
    assert arguments("big")[9:19] == (
        *("--time-limit", "90", "--soft-time-limit", "1.5"),
        *("--max-tasks-per-child", "100", "--max-memory-per-child", "524289"),
        *("--without-gossip", "--without-mingle"),
    )


def test_long_limits_keep_every_second():
    pool = Pool(queues=("default",), time_limit=timedelta(days=100, seconds=1))
    assert "8640001" in celery_arguments(Plan(queues=QUEUES, pools={"p": pool}), "p", 1, {})


def test_celery_itself_understands_the_command_line():
    from celery.bin.worker import worker

    for pool, declared in POOLS.items():
        line = arguments(pool, CELERY_LOGLEVEL="debug")[1:]
        parser = worker.make_parser(worker.make_context("worker", ["--help"], resilient_parsing=True))
        options, rest, _ = parser.parse_args(list(line))
        assert rest == []
        assert options["queues"] == ",".join(declared.queues)
        assert options["hostname"] == f"{pool}-1@%h"
        assert options["loglevel"] == "DEBUG"
        assert bool(options.get("without_gossip")) is not declared.gossip
        assert bool(options.get("without_mingle")) is not declared.mingle


def test_variables_of_a_worker_win_over_the_plan():
    assert "-c 7" in " ".join(arguments("web", CELERY_CONCURRENCY="7"))
    fixed = " ".join(arguments("batch", CELERY_CONCURRENCY="7"))
    assert "-c 7" in fixed
    assert "--autoscale" not in fixed
    assert "--autoscale 4,2" in " ".join(arguments("batch", CELERY_AUTOSCALE_MIN="2"))
    assert "--autoscale 9,1" in " ".join(arguments("plain", CELERY_AUTOSCALE_MAX="9"))
    assert "--max-tasks-per-child 50" in " ".join(arguments("big", MAX_TASKS_PER_CHILD="50"))
    assert arguments("plain", CELERY_LOGLEVEL="warning")[-1] == "WARNING"


@pytest.mark.parametrize(
    ("pool", "environ", "code"),
    [
        ("wbe", {}, "PLAN-060"),
        ("web", {"CELERY_LOGLEVEL": "loud"}, "PLAN-061"),
        ("web", {"CELERY_CONCURRENCY": "many"}, "PLAN-062"),
        ("web", {"CELERY_CONCURRENCY": "0"}, "PLAN-062"),
        ("web", {"CELERY_CONCURRENCY": "-2"}, "PLAN-062"),
        ("web", {"CELERY_CONCURRENCY": "9" * 5000}, "PLAN-062"),
        ("big", {"MAX_TASKS_PER_CHILD": "1.5"}, "PLAN-062"),
        ("web", {"MAX_TASKS_PER_CHILD": "5"}, "PLAN-063"),
        ("web", {"CELERY_AUTOSCALE_MAX": "5"}, "PLAN-063"),
        ("plain", {"CELERY_AUTOSCALE_MIN": "5"}, "PLAN-063"),
        ("batch", {"CELERY_AUTOSCALE_MIN": "5"}, "PLAN-063"),
        ("batch", {"CELERY_AUTOSCALE_MIN": "1", "CELERY_CONCURRENCY": "2"}, "PLAN-063"),
    ],
)
def test_a_variable_that_is_no_value_for_the_pool_is_refused(pool, environ, code):
    with pytest.raises(PlanError) as raised:
        arguments(pool, **environ)
    assert raised.value.code == code
    assert raised.value.fix
