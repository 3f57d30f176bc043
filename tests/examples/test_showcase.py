"""The showcase, driven as its README says: RabbitMQ, Postgres, Django's admin and Flower in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page

from servers.browser import Browser
from servers.example import Example
from servers.http_receiver import HttpReceiver, receiving
from servers.postgres_server import PostgresServer
from servers.project import Running
from servers.rabbitmq_server import RabbitMQServer
from servers.redis_server import free_port
from servers.waiting import eventually

TARGETS = (
    *("demo", "up", "test", "migrate", "createsuperuser", "runserver", "tutorial", "rabbitmq_user"),
    *("queues", "clear_queues", "status", "heavy_workers", "light_workers"),
    *("beat", "beat_bg", "beat_stop", "flower_heavy", "profile", "load_test"),
)
WITHIN_S = 120.0
ROOT = Path(__file__).resolve().parents[2]
HEAVY, LIGHT = "gallery.heavy.heavy_task", "gallery.light.light_task"
#: what the alerts of S0.19 are made of: queue length, message age, worker health, success rate
ALERTING = (
    *("celeriac_queue_messages", "celeriac_queue_max_wait_seconds", "celeriac_task_wait_seconds_bucket"),
    *("celeriac_worker_up", "celeriac_task_completions_total", "celeriac_task_failures_total"),
    *("celeriac_letters", "celeriac_broker_up", "celeriac_queue_consumers"),
)


#: failing heavy tasks, and how long light ones waited beside them
FLOOD = """
import time
failing = [heavy_task.delay(5, "nowhere") for _ in range(8)]
waits = []
for _ in range(5):
    began = time.monotonic()
    light_task.delay().get(timeout=60)
    waits.append(time.monotonic() - began)
answer = {"waits": waits, "unfinished": sum(not each.ready() for each in failing)}
"""
PRELUDE = """\
import json, os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "showcase.settings")
import django
django.setup()
from gallery.chains import picture
from gallery.heavy import heavy_task
from gallery.light import light_task
from gallery.models import Picture, Scene
"""


class Showcase(Example):
    """A copy of the example; its processes are started by the fixtures and the tests."""

    site: str
    up: Running

    def ask(self, code: str) -> Any:
        """Run Python in the site, and give what it assigned to `answer`, through JSON."""
        told = self.run(sys.executable, "-c", f"{PRELUDE}{code}\nprint(json.dumps(answer))", within=WITHIN_S)
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout.splitlines()[-1])

    def done(self, target: str, **variables: str) -> str:
        """Run `make TARGET`, which must end well, and give what it printed."""
        made = self.make(target, within=2 * WITHIN_S, **variables)
        assert made.returncode == 0, made.stdout + made.stderr
        return made.stdout

    def told(self, *command: str) -> Any:
        """Give the JSON that a `celeriac` command prints."""
        said = self.celeriac(*command, "--json", within=WITHIN_S)
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    def runs(self, task: str) -> list[dict[str, Any]]:
        """The runs of a task on record, newest first."""
        found: list[dict[str, Any]] = self.told("runs", "--task", task, "--limit", "1000")
        return found

    def runs_of(self, root_id: str) -> list[dict[str, Any]]:
        """The heavy and the light run of a chain, once both are on record."""

        def found() -> list[dict[str, Any]]:
            both = [it for it in [*self.runs(HEAVY), *self.runs(LIGHT)] if it["root_id"] == root_id]
            return both if len(both) == 2 else []

        return eventually(found, within=WITHIN_S, every=0.5)

    def published(self, task_id: str) -> bool:
        return bool(
            self.ask(
                f"answer = Picture.objects.filter(task_id={task_id!r}).exclude(published_at=None).count()"
            )
        )

    def workers(self, pool: str) -> psutil.Process:
        """The main process of a pool's first worker: what `up` has started, not what that has forked."""
        (pid,) = [it["pid"] for it in self.told("status")["up"]["processes"] if it["name"] == f"{pool}-1"]
        return psutil.Process(pid)


def new_showcase(folder: Path, **environ: str) -> Showcase:
    ports = {name: str(free_port()) for name in ("METRICS_PORT", "FLOWER_HEAVY_PORT")}
    silent = dict.fromkeys(("DATABASE_URL", "SUBSCRIBER_URL", "FLOWER_BASIC_AUTH", "RABBITMQ_API"), "")
    return Showcase("showcase", folder, {**silent, **ports, **environ})


def on_rabbitmq(folder: Path, server: RabbitMQServer, **environ: str) -> Showcase:
    """A copy on a virtual host of its own, with the showcase's own user, which its own target makes."""
    vhost = server.new_vhost().rpartition("/")[2]
    made = new_showcase(
        folder,
        CELERY_BROKER_URL=f"amqp://myuser:mypassword@127.0.0.1:{server.port}/{vhost}",
        RABBITMQ_API=f"http://myuser:mypassword@127.0.0.1:{server.management_port}/api/",
        **environ,
    )
    made.done("rabbitmq_user", RABBITMQ_ADMIN_API=server.api, RABBITMQ_VHOST=vhost)
    return made


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    """A copy with no server at all."""
    made = new_showcase(tmp_path_factory.mktemp("laptop") / "showcase")
    yield made
    made.close()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, rabbitmq_server: RabbitMQServer) -> Iterator[Showcase]:
    """A copy on RabbitMQ of which nothing runs yet."""
    made = on_rabbitmq(tmp_path_factory.mktemp("quiet") / "showcase", rabbitmq_server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def subscriber() -> Iterator[HttpReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def production(
    tmp_path_factory: pytest.TempPathFactory,
    rabbitmq_server: RabbitMQServer,
    postgres_server: PostgresServer,
    subscriber: HttpReceiver,
) -> Iterator[Showcase]:
    """A copy on RabbitMQ and Postgres, everything running, with an administrator."""
    made = on_rabbitmq(
        tmp_path_factory.mktemp("production") / "showcase",
        rabbitmq_server,
        DATABASE_URL=postgres_server.new_database(),
        SUBSCRIBER_URL=f"http://127.0.0.1:{subscriber.port}/pictures",
        DJANGO_SUPERUSER_USERNAME="chief",
        DJANGO_SUPERUSER_PASSWORD="chief",
        DJANGO_SUPERUSER_EMAIL="chief@example.org",
    )
    try:
        made.done("createsuperuser", ARGS="--noinput")
        made.up = made.start_make("up")
        address = f"127.0.0.1:{free_port()}"
        made.site = f"http://{address}"
        server = made.start_make("runserver", ARGS=f"{address} --noreload")
        made.up.wait_for_log("ready:", within=WITHIN_S)
        eventually(lambda: answers(made.site, server), within=WITHIN_S)
        yield made
    finally:
        made.close()


def answers(url: str, server: Running) -> bool:
    assert server.is_running() or pytest.fail(server.log)
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def log_in(browser: Browser, site: str) -> Page:
    page = browser.open(f"{site}/admin/login/")
    page.fill("#id_username", "chief")
    page.fill("#id_password", "chief")
    page.click("[type=submit]")
    page.wait_for_url(f"{site}/admin/")
    return page


def test_make_lists_what_there_is(laptop):
    listed = laptop.done("help")
    for name in TARGETS:
        assert f"make {name} " in listed


@pytest.mark.soak
def test_it_sets_itself_up_from_nothing(tmp_path):
    for each in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / each, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    made = new_showcase(tmp_path / "examples" / "showcase")
    done = made.run("make", "test", within=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (made.folder / ".venv" / "bin" / "celeriac").exists()


def test_the_demo_publishes_six_pictures_with_no_server_and_ends(laptop):
    said = laptop.done("demo")
    assert "6 pictures published in" in said
    files = re.findall(r"\S+\.png", said)
    assert len(files) == 6
    assert all(Path(each).read_bytes().startswith(b"\x89PNG") for each in files)


def test_its_own_tests_pass(laptop):
    assert re.search(r"1\d passed", laptop.done("test"))


def test_tasks_are_measured_and_get_pools_of_their_size(laptop):
    said = laptop.done("profile", ARGS="--runs 2 --detail 8")
    heavy = re.search(rf"{HEAVY} +([\d.]+) +([\d.]+) +(\d+)% +(\d+) +0\b", said)
    assert float(heavy[2]) > 0.1
    assert int(heavy[4]) > 30
    pools = tomllib.loads(said[said.index("[pools.heavy]") :])["pools"]
    assert (pools["heavy"]["profile"], pools["light"]["profile"]) == ("cpu", "io")


def test_the_beat_runs_in_the_background_until_it_is_stopped(laptop):
    assert "no beat runs" in laptop.done("beat_stop")
    laptop.write(".celeriac/beat.pid", f"{os.getpid()}\n")  # left behind; the id is another program's now
    assert "no beat runs" in laptop.done("beat_stop")
    laptop.done("beat_bg")
    log = laptop.folder / "logs" / "beat.log"
    eventually(lambda: "leads the schedules" in log.read_text(), within=WITHIN_S)
    assert "beat stops" in laptop.done("beat_stop")
    eventually(lambda: "leads the schedules no longer" in log.read_text(), within=WITHIN_S)


def test_queues_are_seen_cleared_and_worked_on_by_workers_started_one_by_one(quiet):
    quiet.done("migrate")
    send = "answer = [picture(2).delay().parent.id for _ in range(3)]"
    quiet.ask(send)
    seen = quiet.done("queues")
    assert re.search(r"heavy +3 ", seen)
    assert "nobody reads heavy" in seen
    quiet.done("clear_queues")
    assert re.search(r"heavy +0 ", quiet.done("queues"))

    sent = quiet.ask(send)
    light = quiet.start_make("light_workers")
    light.wait_for_log("ready.", within=WITHIN_S)
    assert re.search(r"heavy +3 ", quiet.done("queues"))
    heavy = quiet.start_make("heavy_workers")
    eventually(lambda: all(quiet.published(each) for each in sent), within=WITHIN_S, every=0.5)
    status = quiet.done("status")
    assert re.search(r"heavy-1@\S+ +\d+ +heavy ", status)
    assert re.search(r"light-1@\S+ +\d+ +light ", status)
    for each in (light, heavy):
        each.signal_group(signal.SIGTERM)
        each.wait(within=WITHIN_S)


def test_the_tutorial_plays_on_rabbitmq_and_all_it_announces_happens(quiet):
    said = quiet.done("tutorial", ARGS="--no-input")
    assert "All of it happened." in said
    assert "chain(heavy_task.s(5), light_task.s())" in said


def test_a_picture_ordered_in_the_browser_is_rendered_published_and_told_of(production, subscriber, browser):
    page = browser.open(production.site)
    page.select_option("[name=scene]", "seahorses")
    page.click("text=Render")

    def is_shown() -> bool:
        page.goto(production.site)
        return bool(page.locator("figure img").count())

    eventually(is_shown, within=WITHIN_S, every=0.5)
    assert "seahorses at detail 5" in page.inner_text("figcaption")
    assert page.evaluate("document.querySelector('figure img').naturalWidth") == 320
    [item] = [json.loads(body) for body in subscriber.bodies("/pictures")]
    heavy, light = production.runs_of(item["id"])
    assert (heavy["task"], heavy["queue"]) == (HEAVY, "heavy")
    assert heavy["worker"].startswith("heavy-1@")
    assert (light["task"], light["queue"]) == (LIGHT, "light")
    assert light["worker"].startswith("light-1@")


def test_each_task_process_has_one_thread(production):
    production.ask("answer = [picture(12).delay().id for _ in range(6)]")

    def are_busy() -> list[psutil.Process]:
        found = production.workers("heavy").children()
        assert sum(each.cpu_times().user for each in found) > 1
        return found

    processes = [*eventually(are_busy, within=WITHIN_S), *production.workers("light").children()]
    assert len(processes) == 6
    assert {each.num_threads() for each in processes} == {1}
    assert "thread rule broken" not in production.up.log


def test_failing_tasks_keep_to_their_own_queue(production):
    told = production.ask(FLOOD)
    assert max(told["waits"]) < 5, "the objective of the light queue"
    assert told["unfinished"] > 0, "the failing ones were still going on"
    letters = eventually(
        lambda: found if len(found := production.told("dead", "list", "--queue", "heavy")) == 8 else None,
        within=WITHIN_S,
        every=0.5,
    )
    assert {(it["task"], it["reason"], it["attempts"]) for it in letters} == {(HEAVY, "failed", 4)}
    lines = [
        json.loads(each) for each in (production.folder / "logs" / "errors.log").read_text().splitlines()
    ]
    failures = [each for each in lines if each.get("event") == "task.failed"]
    assert {each["fields"]["queue"] for each in failures} == {"heavy"}
    assert {each["fields"]["attempt"] for each in failures} == {4}


def test_a_letter_is_replayed_in_the_admin_once_its_cause_is_mended(production, browser):
    task_id = production.ask("answer = picture(5, 'elsewhere').delay().parent.id")
    page = log_in(browser, production.site)
    letters = f"{production.site}/admin/celeriac/letter/"

    def is_listed() -> bool:
        page.goto(f"{letters}?q={task_id}")
        return page.locator(".field-short_id a").count() == 1

    eventually(is_listed, within=WITHIN_S, every=0.5)
    page.goto(f"{production.site}/admin/gallery/scene/add/")
    for name, value in (("name", "elsewhere"), ("x", "0.285"), ("y", "0.01"), ("width", "0.02")):
        page.fill(f"#id_{name}", value)
    page.click("[name=_save]")
    assert is_listed()
    page.check("#action-toggle")
    page.select_option("[name=action]", "replay")
    page.click("button[name=index]")
    page.click("input[type=submit][value^='Replay 1 dead letter']")
    assert "Replayed 1 dead letter" in page.inner_text(".messagelist")
    # The chain behind it goes on: a light task publishes what the heavy one made.
    eventually(lambda: production.published(task_id), within=WITHIN_S, every=0.5)


def test_a_schedule_edited_in_the_admin_fires(production, browser):
    production.ask(
        "from django_celery_beat.models import IntervalSchedule\n"
        "answer = IntervalSchedule.objects.get_or_create(every=2, period='seconds')[0].pk"
    )
    page = log_in(browser, production.site)
    tasks = f"{production.site}/admin/django_celery_beat/periodictask/"

    def edit(interval: str, *, is_enabled: bool) -> None:
        page.goto(tasks)
        page.click("text=publish every minute")
        page.set_checked("#id_enabled", is_enabled)
        page.select_option("#id_interval", label=interval)
        page.click("[name=_save]")
        assert "was changed successfully" in page.inner_text(".messagelist")

    before = production.up.log.count("schedule publish every minute sent")
    edit("every 2 seconds", is_enabled=True)
    eventually(
        lambda: production.up.log.count("schedule publish every minute sent") >= before + 2, within=WITHIN_S
    )
    edit("every 60 seconds", is_enabled=False)


def test_a_heavy_worker_killed_in_the_middle_of_its_work_makes_one_picture(production):
    worker = production.workers("heavy")
    task_id = production.ask("answer = picture(24).delay().parent.id")
    eventually(
        lambda: any(it["task_id"] == task_id and it["state"] == "running" for it in production.runs(HEAVY)),
        within=WITHIN_S,
        every=0.2,
    )
    for each in [worker, *worker.children(recursive=True)]:
        each.kill()
    eventually(lambda: production.published(task_id), within=2 * WITHIN_S, every=0.5)
    [run] = [it for it in production.runs(HEAVY) if it["task_id"] == task_id]
    assert run["attempts"] == 2


def test_the_pools_are_loaded_and_their_figures_held_against_the_plan(production):
    said = production.done("load_test", ARGS="--count 10 --detail 2 --rate 5")
    assert "10 chains sent" in said
    for name, wait in (("heavy", "300 s"), ("light", "5 s")):
        assert re.search(rf"^{name} +10 +[\d.]+ +[\d.]+ s +[\d.]+ s +[\d.]+ s +{wait} +\d+$", said, re.M), (
            said
        )


def test_the_metrics_that_alerts_are_made_of_are_there(production):
    url = f"http://127.0.0.1:{production.environ['METRICS_PORT']}/metrics"
    production.ask("answer = [heavy_task.delay(5, 'nowhere').id, picture(1).delay().get(timeout=60)]")

    def lines() -> list[str]:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode().splitlines()

    def missing() -> list[str]:
        scraped = lines()
        return [name for name in ALERTING if not any(re.match(rf"{name}[{{ ]", line) for line in scraped)]

    eventually(lambda: not missing(), within=WITHIN_S, every=0.5)
    assert 'celeriac_queue_max_wait_seconds{queue="light"} 5.0' in lines()


def test_flower_shows_the_heavy_pool_and_the_brokers_queues(production, browser):
    root = f"http://127.0.0.1:{production.environ['FLOWER_HEAVY_PORT']}"
    page = browser.open(f"{root}/workers")
    page.get_by_text("heavy-1@", exact=False).first.wait_for()
    assert "light-1@" not in page.inner_text("body")
    page.goto(f"{root}/broker")
    page.get_by_text("heavy", exact=True).first.wait_for()


def test_flower_of_the_heavy_pool_listens_where_the_showcase_says(quiet):
    flower = quiet.start_make("flower_heavy")
    flower.wait_for_log("Flower listens at", within=WITHIN_S)
    assert f":{quiet.environ['FLOWER_HEAVY_PORT']}" in flower.log
    assert "${FLOWER_HEAVY_PORT:-5001}" in (quiet.folder / "celeriac.toml").read_text()
    flower.signal_group(signal.SIGTERM)


def test_rabbitmqs_pages_show_the_queues_to_the_showcases_own_user(production, rabbitmq_server, browser):
    page = browser.open(f"http://127.0.0.1:{rabbitmq_server.management_port}/")
    browser.forgive("401")  # asked before anybody has logged in
    browser.forgive("getFullYear")  # RabbitMQ's own page, drawing its clock while it changes pages
    page.fill("[name=username]", "myuser")
    page.fill("[name=password]", "mypassword")
    page.click("[type=submit]")
    page.get_by_text("User myuser").wait_for()
    page.goto(f"http://127.0.0.1:{rabbitmq_server.management_port}/#/queues")
    page.get_by_role("link", name="heavy", exact=True).first.wait_for()
