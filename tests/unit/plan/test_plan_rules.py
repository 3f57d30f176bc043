"""What `check` proves of a plan as a whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

from celeriac.plan import (
    Autoscale,
    Flower,
    Letters,
    Plan,
    Policy,
    Pool,
    Queue,
    Retry,
    Schedule,
    Sending,
    Spool,
    check,
)

S = timedelta(seconds=1)
QUEUES = {"default": Queue()}
POOLS = {"web": Pool(queues=("default",))}


def plan(**parts) -> Plan:
    return Plan(**{"queues": QUEUES, "pools": POOLS, **parts})


def pool(**fields) -> Plan:
    return plan(pools={"web": Pool(queues=("default",), **fields)})


def task(**fields) -> Plan:
    return plan(tasks={"shop.*": Policy(**fields)})


def schedule(**fields) -> Plan:
    return plan(schedules={"daily": Schedule(**{"task": "shop.daily", **fields})})


def found(plan: Plan, names=None) -> list[tuple[str, str]]:
    return [(problem.code, problem.at.removeprefix("Plan.")) for problem in check(plan, names)]


RULES = {
    "a pool reads a declared queue": (
        plan(pools={"web": Pool(queues=("default", "x"))}),
        "PLAN-012",
        'pools["web"].queues[1]',
    ),
    "a pool reads something": (
        plan(queues={}, pools={"web": Pool(queues=())}),
        "PLAN-020",
        'pools["web"].queues',
    ),
    "a pool names a queue once": (
        plan(pools={"web": Pool(queues=("default",) * 3)}),
        "PLAN-021",
        'pools["web"].queues[0]',
    ),
    "a queue is read": (plan(queues={**QUEUES, "x": Queue()}), "PLAN-022", 'queues["x"]'),
    "a policy's queue is declared": (task(queue="x"), "PLAN-023", 'tasks["shop.*"].queue'),
    "letters wait apart from work": (plan(letters=Letters(queue="default")), "PLAN-025", "letters.queue"),
    "the soft limit comes first": (
        pool(soft_time_limit=S, time_limit=S),
        "PLAN-030",
        'pools["web"].soft_time_limit',
    ),
    "a policy's soft limit comes first": (
        task(soft_time_limit=2 * S, time_limit=S),
        "PLAN-030",
        'tasks["shop.*"].soft_time_limit',
    ),
    "a task may end in the grace": (pool(time_limit=61 * S), "PLAN-031", 'pools["web"].time_limit'),
    "a policy's task may end in the grace": (
        task(time_limit=61 * S),
        "PLAN-031",
        'tasks["shop.*"].time_limit',
    ),
    "threads keep no hard limit": (
        pool(executor="threads", time_limit=S),
        "PLAN-032",
        'pools["web"].time_limit',
    ),
    "eventlet keeps no hard limit": (
        pool(executor="eventlet", time_limit=S),
        "PLAN-032",
        'pools["web"].time_limit',
    ),
    "the profile's threads keep no hard limit": (
        pool(profile="io", time_limit=S),
        "PLAN-032",
        'pools["web"].time_limit',
    ),
    "gevent keeps no soft limit": (
        pool(executor="gevent", soft_time_limit=S),
        "PLAN-033",
        'pools["web"].soft_time_limit',
    ),
    "only prefork scales": (
        pool(profile="io", autoscale=Autoscale(min=1, max=2)),
        "PLAN-033",
        'pools["web"].autoscale',
    ),
    "only prefork recycles after tasks": (
        pool(executor="solo", max_tasks_per_child=5),
        "PLAN-033",
        'pools["web"].max_tasks_per_child',
    ),
    "only prefork recycles by memory": (
        pool(executor="solo", max_memory_per_child=2**20),
        "PLAN-033",
        'pools["web"].max_memory_per_child',
    ),
    "autoscale goes up": (pool(autoscale=Autoscale(min=3, max=2)), "PLAN-034", 'pools["web"].autoscale'),
    "slots are fixed or scaled": (
        pool(concurrency=2, autoscale=Autoscale(min=1, max=2)),
        "PLAN-035",
        'pools["web"].concurrency',
    ),
    "solo has one slot": (pool(executor="solo", concurrency=2), "PLAN-036", 'pools["web"].concurrency'),
    "a policy's limit can be kept": (
        plan(pools={"web": Pool(queues=("default",), profile="io")}, tasks={"shop.*": Policy(time_limit=S)}),
        "PLAN-037",
        'tasks["shop.*"].time_limit',
    ),
    "the first delay is within the cap": (
        task(retry=Retry(backoff=5 * S, cap=2 * S)),
        "PLAN-038",
        'tasks["shop.*"].retry.backoff',
    ),
    "a retry names exceptions": (task(retry=Retry(on=())), "PLAN-039", 'tasks["shop.*"].retry.on'),
    "an exception that is not Python's own has its module": (
        task(retry=Retry(on=("SMTPException",))),
        "PLAN-039",
        'tasks["shop.*"].retry.on[0]',
    ),
    "retries end before expiry": (
        task(retry=Retry(limit=5, backoff=S), expires=30 * S),
        "PLAN-045",
        'tasks["shop.*"].expires',
    ),
    "endless retries have no expiry": (
        task(retry=Retry(limit=None), expires=30 * S),
        "PLAN-045",
        'tasks["shop.*"].expires',
    ),
    "a broker is of a known kind": (plan(broker="reddis://h", results="rpc://"), "PLAN-040", "broker"),
    "each broker of a cluster is": (plan(broker="amqp://a;amp://b", results="rpc://"), "PLAN-040", "broker"),
    "queues of SQS differ in more than dots": (
        plan(
            broker="sqs://",
            queues={"mail.out": Queue(), "mail-out": Queue()},
            pools={"web": Pool(queues=("mail.out", "mail-out"))},
        ),
        "PLAN-180",
        'queues["mail-out"]',
    ),
    "the letters' queue of SQS is one of its own": (
        plan(
            broker="sqs://",
            queues={"celeriac-dead": Queue()},
            pools={"web": Pool(queues=("celeriac-dead",))},
        ),
        "PLAN-180",
        "letters.queue",
    ),
    "a queue's name fits SQS": (
        plan(broker="sqs://", celery={"broker_transport_options": {"queue_name_prefix": "p" * 70}}),
        "PLAN-181",
        "letters.queue",
    ),
    "SQS has no priorities": (
        plan(broker="sqs://", tasks={"shop.*": Policy(priority=5)}),
        "PLAN-182",
        'tasks["shop.*"].priority',
    ),
    "no process settles for another on SQS": (
        plan(broker="sqs://", pools={"web": Pool(queues=("default",), executor="processes")}),
        "PLAN-183",
        'pools["web"].executor',
    ),
    "no process settles for another over TLS to RabbitMQ": (
        plan(
            broker="amqps://h",
            results="rpc://",
            pools={"web": Pool(queues=("default",), executor="processes")},
        ),
        "PLAN-183",
        'pools["web"].executor',
    ),
    "Flower sees nothing on SQS": (plan(broker="sqs://", flower=Flower()), "PLAN-184", "flower"),
    "results do not make queues at SQS": (plan(broker="sqs://", results="rpc://"), "PLAN-185", "results"),
    "SQS waits for the end of a task": (
        plan(
            broker="sqs://",
            pools={"web": Pool(queues=("default",), time_limit=43201 * S, grace=43201 * S)},
        ),
        "PLAN-186",
        'pools["web"].time_limit',
    ),
    "a broker has a scheme": (plan(broker="localhost", results="rpc://"), "PLAN-040", "broker"),
    "RabbitMQ waits for the end of a task": (
        plan(
            broker="amqp://h",
            results="rpc://",
            pools={"web": Pool(queues=("default",), time_limit=3601 * S, grace=3601 * S)},
        ),
        "PLAN-046",
        'pools["web"].time_limit',
    ),
    "RabbitMQ waits for the end of a delay": (
        plan(broker="amqp://h", results="rpc://", tasks={"shop.*": Policy(retry=Retry(cap=1801 * S))}),
        "PLAN-046",
        'tasks["shop.*"].retry.cap',
    ),
    "results are of a known kind": (plan(results="rediss3://h"), "PLAN-041", "results"),
    "a broker's certificate is checked": (plan(broker="rediss://h"), "PLAN-085", "broker"),
    "a result backend's certificate is checked": (plan(results="rediss://h/1"), "PLAN-085", "results"),
    "records are kept in SQL": (plan(state="redis://h"), "PLAN-042", "state"),
    "memory bounds no queues": (
        plan(broker="memory://", results="rpc://", queues={"default": Queue(max_length=5)}),
        "PLAN-043",
        'queues["default"].max_length',
    ),
    "what is never full needs no rule": (
        plan(queues={"default": Queue(when_full="reject")}),
        "PLAN-044",
        'queues["default"].when_full',
    ),
    "a queue that spools has a spool": (
        plan(queues={"default": Queue(max_length=5, when_full="spool")}),
        "PLAN-150",
        'queues["default"].when_full',
    ),
    "a spool is a file": (plan(sending=Sending(spool=Spool(path="kept/"))), "PLAN-151", "sending.spool.path"),
    "a schedule has a clock": (schedule(), "PLAN-050", 'schedules["daily"]'),
    "a schedule has one clock": (schedule(cron="* * * * *", every=S), "PLAN-050", 'schedules["daily"]'),
    "a cron is a cron": (schedule(cron="* * * *"), "PLAN-051", 'schedules["daily"].cron'),
    "a schedule has a task": (schedule(task="", every=S), "PLAN-052", 'schedules["daily"].task'),
    "a schedule's queue is declared": (schedule(every=S, queue="x"), "PLAN-053", 'schedules["daily"].queue'),
    "a queue's name is plain": (
        plan(queues={**QUEUES, "a,b": Queue()}, pools={"web": Pool(queues=("default", "a,b"))}),
        "PLAN-017",
        'queues["a,b"]',
    ),
    "a pool's name is plain": (plan(pools={"%h": Pool(queues=("default",))}), "PLAN-017", 'pools["%h"]'),
    "a plan has a name": (plan(name=""), "PLAN-017", "name"),
    "a glob is over names": (plan(tasks={"a b": Policy()}), "PLAN-018", 'tasks["a b"]'),
    "an app is a dotted path": (plan(app="proj/celery.py"), "PLAN-019", "app"),
    "a pool's app is a dotted path": (
        plan(pools={"web": Pool(queues=("default",), app="proj/heavy.py")}),
        "PLAN-019",
        'pools["web"].app',
    ),
    "an import is a dotted path": (plan(imports=("shop", "shop:tasks")), "PLAN-019", "imports[1]"),
}
WARNINGS = {"PLAN-031", "PLAN-041", "PLAN-045", "PLAN-046", "PLAN-182", "PLAN-186"}


@pytest.mark.parametrize(("broken", "code", "at"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_found_alone_and_in_its_place(broken, code, at):
    assert found(broken) == [(code, at)]
    [problem] = check(broken)
    assert problem.fix
    assert problem.severity == ("warning" if code in WARNINGS else "error")


GOOD = {
    "nothing": Plan(),
    "queues to send to, and no pools": Plan(queues={"a": Queue(), "b": Queue(max_length=1)}),
    "every limit in order": pool(
        soft_time_limit=5 * S, time_limit=10 * S, grace=10 * S, max_tasks_per_child=1
    ),
    "gevent with a hard limit": pool(executor="gevent", time_limit=S),
    "a solo pool": pool(executor="solo", concurrency=1),
    "retries that fit": task(retry=Retry(limit=5, backoff=S), expires=31 * S),
    "retries of one delay": task(retry=Retry(backoff=S, cap=S)),
    "retries at once": task(retry=Retry(limit=5, backoff=0 * S), expires=S),
    "limits of a task in its own queue": plan(
        queues={"default": Queue(), "cpu": Queue()},
        pools={"web": Pool(queues=("default",), profile="io"), "cpu": Pool(queues=("cpu",))},
        tasks={"shop.*": Policy(queue="cpu", time_limit=S)},
    ),
    "an hour on Redis": plan(
        broker="redis://h", pools={"web": Pool(queues=("default",), time_limit=3600 * S, grace=3600 * S)}
    ),
    "days on the embedded broker": task(retry=Retry(cap=86_400 * S)),
    "brokers of a cluster": plan(broker="sentinel://a;sentinel://b", results="db+postgresql://h/d"),
    "a Redis whose certificate is checked": plan(broker="rediss://h/0?ssl_cert_reqs=required"),
    "records on Postgres": plan(state="postgresql+psycopg://h/d"),
    "no results": plan(results="disabled://"),
}


@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD.keys())
def test_a_plan_that_holds_together_has_no_problem(good):
    assert found(good) == []


def test_globs_and_schedules_are_held_against_the_known_tasks():
    broken = plan(
        tasks={"shop.*": Policy(), "shop.send_mial": Policy(), "stock.*": Policy()},
        schedules={"a": Schedule(task="shop.dayly", every=S), "b": Schedule(task="shop.daily", every=S)},
    )
    names = ["shop.daily", "shop.send_mail", "celery.chord"]
    problems = check(broken, names)
    assert [(problem.code, problem.fix) for problem in problems] == [
        ("PLAN-024", 'write "shop.send_mail", or import the module that defines it, or remove this policy'),
        ("PLAN-024", "import the module that defines it, or remove this policy"),
        ("PLAN-052", 'write "shop.daily", or import the module that defines it, or mend the name'),
    ]
    assert problems[0].known == ("shop.daily", "shop.send_mail")
    assert check(broken) == []


def test_a_plan_that_was_read_is_checked_with_its_lines_later_too(tmp_path):
    from celeriac.plan import read_plan

    file = tmp_path / "celeriac.toml"
    file.write_text('[queues.a]\n[pools.p]\nqueues = ["a"]\n[tasks."x.*"]\nqueue = "a"\n')
    read = read_plan(file, environ={})
    [problem] = check(read, ["y"])
    assert problem.at.endswith('celeriac.toml:4, [tasks."x.*"]')
    file.unlink()
    [problem] = check(read, ["y"])
    assert problem.at.endswith('celeriac.toml, [tasks."x.*"]')
