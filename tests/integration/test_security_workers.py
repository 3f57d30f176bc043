"""Sealed and signed tasks with real workers: nothing is readable, nothing forged is run, and all of Celery works."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from celeriac.records import Letter, LetterFilter, Records
from celeriac.security import new_key, new_signing_pair
from servers.project import Project
from servers.redis_server import RedisServer
from servers.waiting import eventually

SECRET = "planted-secret"

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]
{places}

[security]
keys = "${{CELERIAC_KEYS:-}}"
encrypt = true
{access}

[queues.default]
[queues.spare]

[pools.web]
queues = ["default", "spare"]
executor = "{executor}"
concurrency = 2

[tasks."shop.flaky"]
retry = {{ limit = 2, backoff = "1ms", cap = "5ms", on = ["OSError"] }}
"""

TASKS = """\
import os
from pathlib import Path
from celery import shared_task

def note(line):
    with Path("ran.txt").open("a") as file:
        file.write(line + "\\n")

@shared_task(name="shop.add")
def add(x, y):
    note(f"add {x} {y}")
    return x + y

@shared_task(name="shop.total")
def total(values):
    note(f"total {sum(values)}")
    return sum(values)

@shared_task(name="shop.flaky", bind=True)
def flaky(self, word):
    note(f"flaky {self.request.retries}")
    if self.request.retries < 2:
        raise OSError("not yet")
    return word

@shared_task(name="shop.price")
def price(text):
    value = int(text)
    note(f"price {value}")
    return value

@shared_task(name="shop.die")
def die(word):
    os._exit(7)

@shared_task(name="admin.drop")
def drop(what):
    note(f"drop {what}")
"""

SEND = """\
import sys
import celeriac
from celery import chain, chord, group
app = celeriac.create_app("celeriac.toml")
app.set_default()
app.loader.import_default_modules()
app.finalize(auto=True)
from shop_tasks import add, die, drop, flaky, price, total
for each in sys.argv[1:]:
    print(eval(each).id)
"""


class Shop:
    """A project whose tasks are sealed, with a worker."""

    def __init__(
        self, folder: Path, broker: str, executor: str = "threads", access: str = "", **environ: str
    ) -> None:
        places = f'broker = "{broker}"\n' if broker else ""
        self.broker = broker
        plan = PLAN.format(places=places, executor=executor, access=access)
        self.project = Project(
            folder, plan=plan, tasks=TASKS, environ={"CELERIAC_KEYS": new_key(), **environ}
        )
        self.project.write("send.py", SEND)
        self.worker: Any = None

    def open(self) -> Shop:
        self.worker = self.project.start_celeriac("worker", "web")
        self.worker.wait_for_log("ready")
        return self

    def send(self, *expressions: str) -> str:
        sent = self.project.run("python", "send.py", *expressions)
        assert sent.returncode == 0, sent.stderr
        return sent.stdout.strip()

    def ran(self) -> list[str]:
        path = self.project.folder / "ran.txt"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def letter(self, reason: str, task_id: str | None = None) -> Letter:
        """Wait for the letter of this reason."""

        def look() -> Letter:
            self.project.celeriac("dead", "list")  # which records what waits in the queue
            records = Records(f"sqlite:///{self.project.folder}/.celeriac/records.db")
            try:
                found = records.find(LetterFilter(reason=reason, task_id=task_id), 10)
            finally:
                records.close()
            assert found, self.worker.log
            return found[0]

        return eventually(look, within=60)

    def connection(self) -> Connection:
        url = self.broker or f"sqlite:///{self.project.folder}/.celeriac/broker.db"
        return Connection(url)

    def put(self, parts: dict[str, Any]) -> None:
        """Put a message on the queue as whoever can write to the broker does."""
        with self.connection() as connection:
            connection.Producer().publish(
                parts["body"],
                routing_key="default",
                content_type=parts["content_type"],
                content_encoding=parts["content_encoding"],
                headers=parts["headers"],
                **parts.get("properties", {}),
            )

    def take(self) -> dict[str, Any]:
        """Take a message off the queue, as whoever can read the broker does."""
        with self.connection() as connection:
            message = connection.SimpleQueue("default", no_ack=True).get(timeout=60)
            return {
                "body": bytes(message.body) if not isinstance(message.body, str) else message.body.encode(),
                "content_type": message.content_type,
                "content_encoding": message.content_encoding,
                "headers": dict(message.headers),
                "properties": {"correlation_id": message.properties["correlation_id"]}
                | ({"reply_to": message.properties["reply_to"]} if "reply_to" in message.properties else {}),
            }


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    server: RedisServer = request.getfixturevalue("redis_server")
    server.flush()
    return server.url


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    shops: list[Shop] = []

    def shop(*arguments: Any, **said: Any) -> Shop:
        shops.append(Shop(tmp_path / f"shop-{len(shops)}", *arguments, **said))
        return shops[-1]

    yield shop
    for each in shops:
        each.project.close()


@pytest.mark.parametrize("executor", ["prefork", "asyncio", "processes", "threads"])
def test_all_of_celery_works_on_sealed_tasks(make: Callable[..., Shop], broker: str, executor: str):
    shop = make(broker, executor).open()
    sends = {
        "add.delay(1, 2)": "add 1 2",
        "add.apply_async((3, 4), countdown=0.2)": "add 3 4",
        "(add.s(10, 1) | add.s(5)).apply_async()": "add 11 5",
        "chord([add.s(20, 1), add.s(20, 2)], total.s()).apply_async()": "total 43",
        "chord([add.s(30, 1)], total.s() | add.s(100)).apply_async()": "add 31 100",
        "add.apply_async((40, 1), link=add.s(2), compression='gzip')": "add 41 2",
        "flaky.delay('x')": "flaky 2",
        "group(add.s(50, n) for n in range(3)).apply_async()": "add 50 2",
        "app.send_task('shop.add', (60, 1))": "add 60 1",
        "celeriac.send_many([add.s(70, n) for n in range(5)])[0]": "add 70 4",
    }
    shop.send(*sends)
    eventually(lambda: missing(shop, sends) == [], within=60)
    assert shop.ran().count("flaky 2") == 1
    assert "became letter" not in shop.worker.log


def test_nothing_at_the_broker_or_in_the_letters_shows_an_argument(make: Callable[..., Shop], broker: str):
    shop = make(broker)
    shop.send(f"(add.s('{SECRET}', 'b') | price.s()).apply_async(link_error=add.s('{SECRET}'))")
    seen = shop.take()
    assert SECRET not in repr(seen)
    assert base64.b64encode(SECRET.encode())[:-4] not in base64.b64encode(seen["body"])
    assert seen["headers"]["argsrepr"] == "(sealed)"
    shop.put(seen)
    shop.open()
    shop.letter("failed")
    files = [
        each.read_bytes() for each in (shop.project.folder / ".celeriac").rglob("*.db*") if each.is_file()
    ]
    # What a failed task says of itself is not sealed: its message shows what it wants to.
    assert all(b'"args"' not in each for each in files)


def missing(shop: Shop, sends: dict[str, str]) -> list[str]:
    ran = shop.ran()
    return [expression for expression, line in sends.items() if line not in ran]


def changes(parts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    headers = parts["headers"]
    body = bytearray(parts["body"])
    body[len(body) // 2] ^= 1
    return {
        "another task": {**parts, "headers": {**headers, "task": "admin.drop"}},
        "another id": {**parts, "headers": {**headers, "id": str(uuid.uuid4())}},
        "more retries": {**parts, "headers": {**headers, "retries": 7}},
        "an eta": {**parts, "headers": {**headers, "eta": "2020-01-01T00:00:00+00:00"}},
        "no seal": {**parts, "headers": {k: v for k, v in headers.items() if k != "celeriac-sealed"}},
        "a bit": {**parts, "body": bytes(body)},
        "in clear": {
            **parts,
            "body": json.dumps([["owned"], {}, None]),
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": {"task": "admin.drop", "id": str(uuid.uuid4()), "lang": "py"},
        },
        "in the old protocol": {
            **parts,
            "body": json.dumps(
                {"task": "admin.drop", "id": str(uuid.uuid4()), "args": ["owned"], "kwargs": {}}
            ),
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": {},
        },
        "an unpacking": {**parts, "headers": {**headers, "compression": "application/x-gzip"}},
    }


def test_a_changed_message_is_a_letter_and_never_run_and_the_worker_lives(
    make: Callable[..., Shop], broker: str
):
    shop = make(broker)
    shop.send(f"price.delay('{SECRET}')")
    parts = shop.take()
    for changed in changes(parts).values():
        shop.put(changed)
    shop.open()
    shop.send("add.delay(1, 2)")
    eventually(lambda: "add 1 2" in shop.ran(), within=60)
    eventually(lambda: shop.worker.log.count("became letter") == len(changes(parts)), within=60)
    shop.letter("forged")
    assert shop.ran() == ["add 1 2"]


def test_a_letter_is_shown_mended_and_replayed_to_another_queue(make: Callable[..., Shop], broker: str):
    shop = make(broker).open()
    task_id = shop.send("(price.s('x') | add.s(1)).apply_async()")
    letter = shop.letter("failed")
    assert b'"x"' not in letter.body
    shown = shop.project.celeriac("dead", "show", letter.id).stdout
    assert '"x"' in shown or "'x'" in shown or "x" in shown
    replayed = shop.project.celeriac("dead", "replay", letter.id, "--to", "spare")
    assert "Replayed 1 letter" in replayed.stdout, replayed.stderr
    again = eventually(lambda: shop_letter_after(shop, letter.id), within=60)
    assert again.generation == 1
    mended = shop.project.celeriac("dead", "edit", again.id, "--set", 'args.0="7"')
    assert mended.returncode == 0, mended.stderr
    records = Records(f"sqlite:///{shop.project.folder}/.celeriac/records.db")
    kept = records.get(again.id)
    records.close()
    assert kept is not None
    assert b"7" not in kept.body or kept.content_type == "application/x-celeriac-sealed"
    assert "Replayed 1 letter" in shop.project.celeriac("dead", "replay", again.id).stdout
    eventually(lambda: shop.ran() == ["price 7", "add 7 1"], within=60)
    assert task_id


def shop_letter_after(shop: Shop, replay_of: str) -> Letter:
    shop.project.celeriac("dead", "list")
    records = Records(f"sqlite:///{shop.project.folder}/.celeriac/records.db")
    try:
        (found,) = records.find(LetterFilter(replay_of=replay_of), 1)
    finally:
        records.close()
    return found


def test_a_forged_letter_is_not_replayed(make: Callable[..., Shop]):
    shop = make("").open()
    shop.put(
        {
            "body": json.dumps([["owned"], {}, None]),
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": {"task": "admin.drop", "id": str(uuid.uuid4()), "lang": "py"},
        }
    )
    letter = shop.letter("forged")
    replayed = shop.project.celeriac("dead", "replay", letter.id)
    assert replayed.returncode == 1
    assert "SEC-010" not in replayed.stdout
    assert "did not come from a program of this plan" in replayed.stderr + replayed.stdout
    assert shop.ran() == []


def test_a_forged_message_does_not_take_the_place_of_the_letter_of_the_task_it_names(
    make: Callable[..., Shop], broker: str
):
    shop = make(broker)
    task_id = shop.send("price.delay('x')")
    parts = shop.take()
    shop.put({**parts, "headers": {**parts["headers"], "task": "admin.drop"}})
    shop.put(parts)
    shop.open()
    assert shop.letter("failed", task_id).task == "shop.price"
    assert shop.letter("forged", task_id).task == "admin.drop"


def test_keys_are_changed_while_tasks_wait(make: Callable[..., Shop], broker: str):
    shop = make(broker)
    old, new = shop.project.environ["CELERIAC_KEYS"], new_key()
    shop.send("add.delay(1, 1)")
    shop.project.environ["CELERIAC_KEYS"] = f"{new},{old}"
    shop.send("add.delay(2, 2)")
    shop.open()
    eventually(lambda: sorted(shop.ran()) == ["add 1 1", "add 2 2"], within=60)
    shop.worker.stop()
    shop.project.environ["CELERIAC_KEYS"] = old
    task_id = shop.send("add.delay(3, 3)")
    shop.project.environ["CELERIAC_KEYS"] = new
    shop.open()
    letter = shop.letter("unreadable", task_id)
    shop.project.environ["CELERIAC_KEYS"] = f"{new},{old}"
    assert "Replayed 1 letter" in shop.project.celeriac("dead", "replay", letter.id).stdout
    eventually(lambda: "add 3 3" in shop.ran(), within=60)


def test_a_task_that_ends_its_process_is_a_letter_as_it_was_sealed(make: Callable[..., Shop], broker: str):
    shop = make(broker, "processes").open()
    shop.send(f"die.delay('{SECRET}')")
    letter = shop.letter("poison")
    assert letter.content_type == "application/x-celeriac-sealed"
    assert SECRET.encode() not in letter.body
    assert SECRET in shop.project.celeriac("dead", "show", letter.id).stdout


def test_without_a_key_no_worker_starts_nothing_is_sent_and_check_says_so(make: Callable[..., Shop]):
    shop = make("")
    del shop.project.environ["CELERIAC_KEYS"]
    sent = shop.project.run("python", "send.py", "add.delay(1, 2)")
    assert "SEC-001" in sent.stderr
    worker = shop.project.start_celeriac("worker", "web")
    assert worker.wait() != 0
    assert "SEC-001" in worker.log
    checked = shop.project.celeriac("check")
    assert "PLAN-170" in checked.stderr


def test_stock_producers_are_taken_while_the_plan_says_so(make: Callable[..., Shop], broker: str):
    shop = make(broker, access='unprotected = "accept"').open()
    shop.project.write(
        "stock.py",
        "from celery import Celery\n"
        f"app = Celery(broker={(broker or 'memory://')!r})\n"
        "app.conf.task_default_queue = 'default'\n"
        "app.send_task('shop.add', (8, 1))\n",
    )
    if broker:
        assert shop.project.run("python", "stock.py").returncode == 0
        eventually(lambda: "add 8 1" in shop.ran(), within=60)
    shop.send("add.delay(9, 1)")
    eventually(lambda: "add 9 1" in shop.ran(), within=60)


WEB, WORKER = new_signing_pair(), new_signing_pair()
SENDERS = f"""\
sender = "${{CELERIAC_SENDER:-}}"
signing_key = "${{CELERIAC_SIGNING_KEY:-}}"
[security.senders.web]
key = "{WEB[1]}"
tasks = ["shop.*"]
[security.senders.worker]
key = "{WORKER[1]}"
tasks = ["*"]
"""


def test_only_what_a_declared_sender_may_send_is_run(make: Callable[..., Shop], broker: str):
    as_worker = {"CELERIAC_SENDER": "worker", "CELERIAC_SIGNING_KEY": WORKER[0]}
    shop = make(broker, "prefork", access=SENDERS, **as_worker).open()
    environ = shop.project.environ
    environ.update(CELERIAC_SENDER="web", CELERIAC_SIGNING_KEY=WEB[0])
    shop.send("(add.s(1, 2) | add.s(3)).apply_async()")
    shop.send("flaky.delay('x')")
    shop.send("chord([add.s(20, 1), add.s(20, 2)], total.s()).apply_async()")
    eventually(lambda: {"add 3 3", "flaky 2", "total 43"} <= set(shop.ran()), within=60)
    refused = shop.project.run("python", "send.py", "drop.delay('mine')")
    assert "SEC-006" in refused.stderr
    # Whoever holds the web server can leave out what its own library checks.
    plan = shop.project.folder / "celeriac.toml"
    declared = plan.read_text()
    plan.write_text(declared.replace('tasks = ["shop.*"]', 'tasks = ["*"]'))
    shop.send("drop.delay('mine')")
    shop.send("(add.si(7, 7) | drop.si('mine')).apply_async()")
    environ.update(CELERIAC_SENDER="worker")
    assert "SEC-005" in shop.project.run("python", "send.py", "add.delay(1, 2)").stderr
    plan.write_text(declared)
    environ.update(as_worker)
    eventually(lambda: shop.worker.log.count("became letter") == 2, within=60)
    assert shop.letter("forbidden").task in {"admin.drop", "shop.add"}
    assert "drop mine" not in shop.ran()
    assert "add 7 7" not in shop.ran()
    shop.send("drop.delay('ours')")
    eventually(lambda: "drop ours" in shop.ran(), within=60)
