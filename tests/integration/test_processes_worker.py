"""The executor processes in real workers: steered as one, limits, kills in each phase, stops; on SQLite and Redis."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from servers.processes_shop import PLAN, TASKS, Shop
from servers.project import Project
from servers.waiting import eventually


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def environ(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    server = request.getfixturevalue("redis_server")
    return {"SHOP_BROKER": server.database(11)}


@pytest.fixture(scope="module")
def shop(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A project whose worker these tests share; they kill its slots, and never itself."""
    project = Project(tmp_path_factory.mktemp("shop"), plan=PLAN, tasks=TASKS, environ=environ)
    yield Shop(project).start()
    project.close()


@pytest.fixture
def own_shop(environ: dict[str, str], project: Callable[..., Project]) -> Shop:
    """A project whose worker the test may end."""
    made = project(plan=PLAN, tasks=TASKS)
    if environ:
        base, _, _ = environ["SHOP_BROKER"].rpartition("/")
        made.environ["SHOP_BROKER"] = f"{base}/12"
    empty_broker(made)
    return Shop(made)


def empty_broker(project: Project) -> None:
    """Begin with an empty broker: Redis databases outlive a test."""
    if "SHOP_BROKER" in project.environ:
        import redis

        redis.Redis.from_url(project.environ["SHOP_BROKER"]).flushdb()


def test_tasks_run_in_both_slots_and_canvas_holds(shop: Shop) -> None:
    out = shop.ask(
        "out = [sorted({end(it) for it in [t.pid.delay() for _ in range(60)]}),"
        " end(chain(t.add.s(1, 2), t.add.s(10))()), end(chord([t.add.s(i, i) for i in range(10)])(t.total.s()))]"
    )
    assert out[0] == shop.slots()
    assert out[1:] == [13, 90]


def test_one_worker_is_seen_and_answers_while_all_its_slots_compute(shop: Shop) -> None:
    active, reserved, stats, pong, found, queues = shop.ask(
        "sent = [t.hold.delay(f'seen{n}') for n in range(2)] + [t.compute.delay(0.1)]\n"
        "import pathlib\n"
        "while not all(pathlib.Path(f'seen{n}.runs').exists() for n in range(2)): time.sleep(0.05)\n"
        "out = [inspect.active(), inspect.reserved(), inspect.stats(), inspect.ping(),"
        " inspect.query_task(sent[0].id), inspect.active_queues()]\n"
        "for n in range(2): pathlib.Path(f'seen{n}.go').touch()\n"
        "assert [end(it) for it in sent] == ['seen0', 'seen1', None]\n"
    )
    (name,) = pong
    assert name.startswith("web-1@")
    assert all(list(it) == [name] for it in (active, reserved, stats, found, queues))
    assert sorted(it["args"] for it in active[name]) == [["seen0"], ["seen1"]]
    assert sorted(it["worker_pid"] for it in active[name]) == shop.slots()
    assert stats[name]["pool"]["processes"] == shop.slots()
    assert stats[name]["pool"]["max-concurrency"] == 2
    assert stats[name]["total"]["shop.hold"] >= 2
    ((_, (state, _)),) = found[name].items()
    assert state == "active"
    assert [it["name"] for it in queues[name]] == ["default"]


def test_a_hard_limit_ends_the_task_once_and_tidies_up(shop: Shop) -> None:
    assert shop.ask("out = end(t.hard.delay())") == "TimeLimitExceeded(0.5)"
    assert len(shop.runs("hard")) == 1
    assert (shop.folder / "hard.tidied").exists()
    assert "became letter" in shop.worker.log
    assert shop.ask("out = end(t.add.delay(1, 2))") == 3


def test_a_hard_limit_ends_even_what_catches_everything(shop: Shop) -> None:
    assert shop.ask("out = end(t.stubborn.delay())") == "TimeLimitExceeded(0.5)"


def test_a_soft_limit_is_raised_in_the_task(shop: Shop) -> None:
    # The test before has ended a slot's process, whose place is filled anew.
    before = eventually(lambda: slots if len(slots := shop.slots()) == 2 else None)
    assert shop.ask("out = end(t.soft.delay())") == "SoftTimeLimitExceeded()"
    assert shop.slots() == before


def test_a_task_that_kills_its_process_is_a_letter_after_three_deliveries(shop: Shop) -> None:
    assert "WorkerLostError" in shop.ask("out = end(t.poison.delay())")
    assert len(shop.runs("poison")) == 3


def test_a_task_acked_early_whose_process_ends_has_failed(shop: Shop) -> None:
    assert "WorkerLostError" in shop.ask("out = end(t.early.delay())")


def test_a_slot_killed_after_the_result_and_before_the_ack_changes_nothing(shop: Shop) -> None:
    assert shop.ask(
        "sent = t.die_late.delay(); first = end(sent); time.sleep(1); out = [first, sent.get()]"
    ) == [
        "done",
        "done",
    ]


def test_a_slot_killed_in_a_task_gives_it_back_at_once(shop: Shop) -> None:
    shop.send("shop.hold", '"killed"')
    eventually(lambda: shop.runs("killed"))
    began = time.monotonic()
    os.kill(shop.runs("killed")[0], signal.SIGKILL)
    shop_runs = eventually(lambda: runs if len(runs := shop.runs("killed")) == 2 else None)
    assert time.monotonic() - began < 15  # a lapsed lease is acted on after 20 s
    shop.go("killed")
    assert shop_runs[0] != shop_runs[1]


def test_idle_slots_that_are_killed_are_replaced(shop: Shop) -> None:
    before = shop.slots()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(now := shop.slots()) == 2 and not set(now) & set(before))
    assert shop.ask("out = end(t.add.delay(2, 2))") == 4


def test_a_terminated_task_is_revoked_and_a_waiting_one_never_runs(shop: Shop) -> None:
    out = shop.ask(
        "import pathlib\n"
        "running, waiting = t.hold.delay('revoked'), t.hold.apply_async(['never'], countdown=3)\n"
        "while not pathlib.Path('revoked.runs').exists(): time.sleep(0.05)\n"
        "control.revoke([running.id, waiting.id], terminate=True)\n"
        "out = [end(running), end(waiting)]"
    )
    assert "TaskRevokedError" in out[0]
    assert "TaskRevokedError" in out[1]
    assert len(shop.runs("revoked")) == 1
    assert not shop.runs("never")


def test_limits_and_rates_can_be_changed_while_it_runs(shop: Shop) -> None:
    out = shop.ask(
        "said = [control.time_limit('shop.compute', hard=0.5, reply=True),"
        " control.rate_limit('shop.pid', '4/s', reply=True)]\n"
        "time.sleep(0.5)\n"
        "began = time.time(); [end(it) for it in [t.pid.delay() for _ in range(8)]]; took = time.time() - began\n"
        "out = [end(t.compute.delay(60)), took]\n"
        "control.rate_limit('shop.pid', '', reply=True); control.time_limit('shop.compute', reply=True)"
    )
    assert out[0] == "TimeLimitExceeded(0.5)"
    assert out[1] > 1


def test_queues_can_be_added_and_cancelled_while_it_runs(shop: Shop) -> None:
    out = shop.ask(
        "control.add_consumer('extra', reply=True); time.sleep(0.5)\n"
        "from kombu import Queue; app.amqp.queues.add(Queue('extra', routing_key='extra'))\n"
        "out = [end(t.add.apply_async([3, 4], queue='extra')), inspect.active_queues()]\n"
        "control.cancel_consumer('extra', reply=True)\n"
        "time.sleep(0.5); out.append(inspect.active_queues())"
    )
    assert out[0] == 7
    assert [[it["name"] for it in next(iter(said.values()))] for said in out[1:]] == [
        ["default", "extra"],
        ["default"],
    ]


def test_the_pool_grows_and_shrinks_without_losing_a_task(shop: Shop) -> None:
    shop.ask("out = control.pool_grow(2, reply=True)")
    eventually(lambda: len(shop.slots()) == 4)
    shop.ask(
        "out = set()\n"
        "while len(out) < 4: out |= {end(it) for it in [t.pid.delay() for _ in range(40)]}\n"
        "out = sorted(out)"
    )
    shop.send("shop.hold", '"shrunk"')
    eventually(lambda: shop.runs("shrunk"))
    shop.ask("out = control.pool_shrink(2, reply=True)")
    eventually(lambda: len(shop.slots()) == 2)
    assert shop.runs("shrunk")[0] in shop.slots()
    shop.go("shrunk")
    assert len(shop.runs("shrunk")) == 1


def test_processes_are_replaced_after_their_tasks_and_above_their_memory(own_shop: Shop) -> None:
    path = own_shop.folder / "celeriac.toml"
    path.write_text(
        path.read_text().replace(
            "concurrency = 2", 'concurrency = 1\nmax_tasks_per_child = 5\nmax_memory_per_child = "250MiB"'
        )
    )
    own_shop.start()
    pids = own_shop.ask("out = [end(it) for it in [t.pid.delay() for _ in range(20)]]")
    assert all(pids.count(pid) <= 5 for pid in pids)
    grown = own_shop.ask("out = end(t.grow.delay())")
    eventually(lambda: (now := own_shop.slots()) and grown not in now)
    assert own_shop.ask("out = end(t.add.delay(5, 5))") == 10
    assert "Traceback" not in own_shop.worker.log


def test_a_process_runs_not_one_task_more_than_its_share_however_short_they_are(own_shop: Shop) -> None:
    path = own_shop.folder / "celeriac.toml"
    path.write_text(
        path.read_text().replace("concurrency = 2", "concurrency = 1\nprefetch = 8\nmax_tasks_per_child = 2")
    )
    ids = own_shop.ask("out = [t.quick.delay().id for _ in range(8)]")  # they wait, and come in one batch
    own_shop.start()
    pids = own_shop.ask(f"out = [end(app.AsyncResult(it)) for it in {ids}]")
    assert all(pids.count(pid) <= 2 for pid in pids), pids


def test_a_warm_stop_finishes_what_runs_and_leaves_the_rest(own_shop: Shop) -> None:
    own_shop.start()
    own_shop.send("shop.hold", '"warm"')
    eventually(lambda: own_shop.runs("warm"))
    own_shop.ask("out = [t.hold.delay(f'later{n}').id for n in range(3)]")
    drain = own_shop.project.start_celeriac("drain")
    drain.wait_for_log("asked to finish")
    own_shop.go("warm")
    for n in range(3):
        own_shop.go(f"later{n}")
    assert drain.wait(within=60) == 0
    assert own_shop.worker.wait(within=60) == 0
    own_shop.start()
    eventually(lambda: all(own_shop.runs(f"later{n}") for n in range(3)))
    assert len(own_shop.runs("warm")) == 1


def test_a_cold_stop_waits_its_grace_then_gives_back_what_runs(own_shop: Shop) -> None:
    own_shop.start()
    own_shop.send("shop.hold", '"cold"')
    eventually(lambda: own_shop.runs("cold"))
    slots = own_shop.slots()
    own_shop.worker.signal(signal.SIGQUIT)
    own_shop.worker.wait(within=60)
    assert not any(psutil.pid_exists(pid) for pid in slots)
    assert "delivery 1 of" not in own_shop.worker.log
    assert (
        own_shop.ask("out = app.connection().default_channel.queue_declare('default', passive=True)")[1] == 1
    )
    own_shop.start()
    eventually(lambda: len(own_shop.runs("cold")) == 2)
    own_shop.go("cold")


def test_a_task_that_began_as_a_cold_stop_was_asked_for_has_its_grace_too(own_shop: Shop) -> None:
    """Celery looks once at what runs, and may look before the parent knows of a task."""
    own_shop.start()
    slots = own_shop.slots()
    os.kill(own_shop.worker.pid, signal.SIGSTOP)
    own_shop.send("shop.hold", '"just"')
    eventually(lambda: own_shop.runs("just"))
    own_shop.worker.signal(signal.SIGQUIT)
    os.kill(own_shop.worker.pid, signal.SIGCONT)
    own_shop.worker.wait(within=40)  # the task itself holds for 60 s
    assert not any(psutil.pid_exists(pid) for pid in slots)


def test_when_the_parent_is_killed_its_slots_end_and_their_tasks_run_again(own_shop: Shop) -> None:
    own_shop.start()
    own_shop.send("shop.hold", '"orphan"')
    eventually(lambda: own_shop.runs("orphan"))
    slots = own_shop.slots()
    os.kill(own_shop.worker.pid, signal.SIGKILL)
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in slots))
    own_shop.start()
    eventually(lambda: len(own_shop.runs("orphan")) == 2)
    own_shop.go("orphan")


TELL = """\
import threading
seen = []
def listen():
    with app.connection_for_read() as connection:
        keep = lambda event: seen.append((event["type"], event.get("uuid")))
        app.events.Receiver(connection, handlers={"*": keep}).capture(limit=None, timeout=None, wakeup=False)
threading.Thread(target=listen, daemon=True).start()
while not any(kind == "worker-heartbeat" for kind, _ in seen): time.sleep(0.05)
def run():
    sent = [t.add.delay(1, n) for n in range(20)]
    for each in sent: end(each)
    return {each.id for each in sent}
def told(ids): return {uuid for kind, uuid in seen if kind == "task-succeeded"} & ids
def run_until(is_so):
    # The worker answers before its slots have heard: the first tasks may still be as it was.
    while True:
        ids, until = run(), time.monotonic() + 2
        while not is_so(ids) and time.monotonic() < until: time.sleep(0.05)
        if is_so(ids): return ids
all_told, none_told = (lambda ids: told(ids) == ids), (lambda ids: time.sleep(1) or not told(ids))
quiet = run()
app.control.enable_events(reply=True, timeout=20, limit=1)
run_until(all_told)
app.control.disable_events(reply=True, timeout=20, limit=1)
quiet |= run_until(none_told)
app.control.enable_events(reply=True, timeout=20, limit=1)
run_until(all_told)
out = [len(told(quiet))]
"""


def test_slots_tell_of_their_tasks_only_while_the_worker_is_to(own_shop: Shop) -> None:
    own_shop.start()
    assert own_shop.ask(TELL) == [0]


def test_a_task_revoked_by_its_stamp_is_dropped_without_an_error(shop: Shop) -> None:
    said = shop.ask(
        "control.revoke_by_stamped_headers({'batch': ['dropped']})\n"
        "stamped = t.add.si(1, 1)\n"
        "stamped.stamp(batch='dropped')\n"
        "while 'TaskRevokedError' not in (said := str(end(stamped.apply_async()))): pass\n"
        "[end(it) for it in [t.pid.delay() for _ in range(20)]]\n"
        "out = said"
    )
    assert "TaskRevokedError" in said
    eventually(lambda: "(revoked by header: {'batch': 'dropped'})" in shop.worker.log)
    assert [line for line in shop.worker.log.splitlines() if "an error escaped" in line] == []
