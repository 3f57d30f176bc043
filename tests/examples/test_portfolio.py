"""The portfolio site, driven as its README says: on a real Redis, without one, and its own tests on PostgreSQL."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiosmtpd.controller import Controller
from kombu import Connection
from redis import Redis
from ruamel.yaml import YAML

from celeriac.security import new_key, new_signing_pair
from servers.browser import Browser
from servers.example import Example
from servers.http_receiver import HttpReceiver, receiving
from servers.postgres_server import PostgresServer
from servers.project import Running
from servers.redis_server import RedisServer, free_port
from servers.waiting import eventually

WITHIN_S = 60.0
ADMIN = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "count",
    "DJANGO_SUPERUSER_EMAIL": "a@b.example",
}
#: nobody waits half a minute for a retry in a test
QUICK = """
[environments.test.tasks."apps.main.tasks.process_user_action"]
retry = { limit = 2, backoff = "2s", cap = "10m", jitter = false, on = ["apps.main.actions.UnknownAction"] }
"""


class Mail:
    """A real mail server; while it is shut, a delivery waits."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, str]] = []
        self.is_open = threading.Event()
        self.is_open.set()
        self._server = Controller(self, hostname="127.0.0.1", port=free_port())
        self.port: int = self._server.port
        self._server.start()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        while not self.is_open.is_set():
            await asyncio.sleep(0.05)
        subject = message_from_bytes(envelope.content)["Subject"]
        self.arrived += [(to, subject) for to in envelope.rcpt_tos]
        return "250 taken"

    def close(self) -> None:
        self.is_open.set()
        self._server.stop()


class Portfolio(Example):
    """A copy of the example; `up` is what runs behind it."""

    up: Running

    def __init__(self, folder: Path, **environ: str) -> None:
        ports = {name: str(free_port()) for name in ("FLOWER_PORT", "METRICS_PORT")}
        super().__init__("portfolio", folder, {**ports, **ADMIN, **environ})
        self.url = f"http://127.0.0.1:{free_port()}"

    def do(self, *command: str, within: float = WITHIN_S) -> str:
        """Run a command to its good end, and give what it printed."""
        done = self.run(*command, within=within)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manage(self, *arguments: str, within: float = WITHIN_S) -> str:
        return self.do("python", "manage.py", *arguments, within=within)

    def target(self, name: str, within: float = WITHIN_S, **variables: str) -> str:
        done = self.make(name, within, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def begin(self) -> None:
        """Start everything, and the site."""
        self.target("superuser", ARGS="--no-input")
        self.up = self.start_make("up")
        self.start_make("site", ARGS=f"--noreload {self.url.removeprefix('http://')}")
        self.up.wait_for_log("ready:", within=WITHIN_S)
        eventually(lambda: get(f"{self.url}/contact/")[0] == 200, within=WITHIN_S)

    def message(self, name: str) -> None:
        """Have somebody write a message, and a task told of it."""
        written = f"ContactMessage.objects.create(name={name!r}, email='{name}@x.example', text='.')"
        self.manage(
            "shell",
            "-c",
            "from apps.main.models import ContactMessage; from apps.main.tasks import send_notification;"
            f"send_notification.delay({written}.pk)",
        )


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@pytest.fixture(scope="module")
def mail() -> Iterator[Mail]:
    server = Mail()
    yield server
    server.close()


@pytest.fixture(scope="module")
def sentry() -> Iterator[HttpReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def site(
    redis_server: RedisServer, mail: Mail, sentry: HttpReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Portfolio]:
    """The site and all behind it, on Redis."""
    made = Portfolio(
        tmp_path_factory.mktemp("portfolio") / "site",
        REDIS_URL=redis_server.database(5),
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=str(mail.port),
        EMAIL_TIMEOUT="55",
        SENTRY_DSN=f"http://key@127.0.0.1:{sentry.port}/1",
        CELERIAC_ENV="test",
    )
    with (made.folder / "celeriac.toml").open("a") as plan:
        plan.write(QUICK)
    try:
        made.begin()
        yield made
    finally:
        made.close()


def test_all_ten_items_hold_on_redis(site: Portfolio) -> None:
    said = site.target("checklist", within=120)
    assert said.count("[x]") == 10, said
    assert "Redis connection established" in said
    assert site.environ["REDIS_URL"] in said


def test_the_commands_send_tasks_and_say_what_comes_back(site: Portfolio, mail: Mail) -> None:
    assert re.search(
        r"notification +ok \['owner', 'writer'\]", site.manage("test_celery", "--task=notification")
    )
    assert re.search(r"analytics +ok {'day'", site.manage("test_celery", "--task=analytics"))
    assert len(re.findall(r" ok ", site.manage("test_celery", "--task=all"))) == 7
    assert ("test@portfolio.example", "Your message has arrived") in mail.arrived
    made = {path.suffix for path in (site.folder / "var/reports").iterdir()}
    assert made == {".csv", ".html"}
    wrong = site.run("python", "manage.py", "test_celery", "--task=nonsense")
    assert (wrong.returncode, "invalid choice: 'nonsense'" in wrong.stderr) == (2, True)


def test_a_visitor_reads_likes_and_writes(site: Portfolio, mail: Mail, browser: Browser) -> None:
    page = browser.open(site.url, width=375, height=667, is_dark=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("heading", name="Letterpress").click()
    page.get_by_role("button", name="Like").click()
    page.get_by_text("Thank you!").wait_for()
    page.get_by_role("link", name="Contact").click()
    page.get_by_label("Name").fill("Grace")
    page.get_by_label("Email").fill("grace@example.org")
    page.get_by_label("Message").fill("<b>Hello!</b>")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Your message has arrived").wait_for()
    wanted = {
        ("grace@example.org", "Your message has arrived"),
        ("owner@portfolio.example", "A message of Grace"),
    }
    eventually(lambda: wanted <= set(mail.arrived), within=WITHIN_S)

    def counted() -> bool:
        page.goto(f"{site.url}/projects/letterpress/")
        return page.get_by_text("1 like", exact=True).is_visible()

    eventually(counted, within=WITHIN_S)
    page.goto(f"{site.url}/status/")
    assert page.get_by_text("All is well").is_visible()


def test_a_schedule_is_edited_and_a_letter_replayed_in_the_admin(site: Portfolio, browser: Browser) -> None:
    page = browser.open(f"{site.url}/admin/")
    page.get_by_label("Username").fill(ADMIN["DJANGO_SUPERUSER_USERNAME"])
    page.get_by_label("Password").fill(ADMIN["DJANGO_SUPERUSER_PASSWORD"])
    page.get_by_role("button", name="Log in").click()

    def results() -> int:
        page.goto(f"{site.url}/admin/django_celery_results/taskresult/?q=update_analytics")
        return page.locator("#result_list tbody tr").count()

    before = results()
    page.goto(f"{site.url}/admin/django_celery_beat/intervalschedule/add/")
    page.get_by_label("Number of Periods").fill("1")
    page.get_by_label("Interval Period").select_option("seconds")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto(f"{site.url}/admin/django_celery_beat/periodictask/")
    page.get_by_role("link", name=re.compile("Sum up page views")).first.click()
    page.get_by_label("Interval Schedule").select_option("every second")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("li.success").wait_for()
    eventually(lambda: results() >= before + 3, within=WITHIN_S, every=0.5)
    page.goto(f"{site.url}/admin/django_celery_beat/periodictask/")
    page.get_by_role("link", name=re.compile("Sum up page views")).first.click()
    page.get_by_label("Interval Schedule").select_option("every 5 minutes")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("li.success").wait_for()

    # An action that is not there: tried three times, then a letter. Once it is there, the letter is replayed.
    site.manage("celeriac", "send", "apps.main.tasks.process_user_action", "4242")

    def letter() -> bool:
        page.goto(f"{site.url}/admin/celeriac/letter/")
        return page.get_by_text("apps.main.tasks.process_user_action").first.is_visible()

    eventually(letter, within=WITHIN_S, every=0.5)
    like = "UserAction.objects.create(pk=4242, kind='like', visitor='late', project_id=1)"
    site.manage("shell", "-c", f"from apps.main.models import UserAction; {like}")
    page.locator("#result_list tbody tr th a").first.click()
    page.get_by_text("UnknownAction").first.wait_for()
    page.get_by_role("button", name="Replay").click()

    def processed() -> bool:
        page.goto(f"{site.url}/admin/main/useraction/4242/change/")
        return page.locator("#id_processed_at_0").input_value() != ""

    eventually(processed, within=WITHIN_S, every=0.5)


def test_flower_shows_workers_tasks_and_queues(site: Portfolio, browser: Browser) -> None:
    flower = f"http://127.0.0.1:{site.environ['FLOWER_PORT']}"
    page = browser.open(flower)
    for pool in ("high", "default", "low"):
        page.get_by_role("link", name=re.compile(f"{pool}-1@")).wait_for()
    site.manage("test_celery", "--task=analytics")

    def seen() -> bool:
        page.goto(f"{flower}/tasks")
        page.wait_for_load_state("networkidle")
        return page.get_by_text("apps.main.tasks.update_analytics").first.is_visible()

    eventually(seen, within=WITHIN_S)
    page.goto(flower)
    page.get_by_role("link", name=re.compile("high-1@")).click()
    page.get_by_role("tab", name="Queues").click()
    page.get_by_role("cell", name="high_priority", exact=True).first.wait_for()


def test_tasks_are_watched_taken_back_and_outlive_the_process_that_runs_them(
    site: Portfolio, mail: Mail
) -> None:
    said = site.target("status")
    assert all(f"{pool}-1@" in said for pool in ("high", "default", "low"))

    later = site.manage("celeriac", "send", "--countdown", "3600", "apps.main.tasks.backup_data").split()[-1]

    def waits() -> bool:
        said = site.target("scheduled")
        return later in said or re.search(r"low_priority +0 +1 ", said) is not None

    eventually(waits, within=WITHIN_S)
    site.target("revoke", ID=later)
    assert later in site.do("celery", "-A", "portfolio_site", "inspect", "revoked")

    mail.is_open.clear()
    try:
        site.message("slow")

        def active() -> int:
            replies = json.loads(site.do("celery", "-A", "portfolio_site", "inspect", "active", "--json"))
            found = [
                each
                for tasks in replies.values()
                for each in tasks
                if each["name"].endswith("send_notification")
            ]
            return int(found[0]["worker_pid"]) if found else 0

        slot = eventually(active, within=WITHIN_S)
        os.kill(slot, signal.SIGKILL)
        eventually(
            lambda: not psutil.pid_exists(slot) or psutil.Process(slot).status() == "zombie", within=WITHIN_S
        )
    finally:
        mail.is_open.set()
    eventually(lambda: ("slow@x.example", "Your message has arrived") in mail.arrived, within=WITHIN_S)


def test_failures_are_in_the_logs_at_sentry_and_in_the_metrics(site: Portfolio, sentry: HttpReceiver) -> None:
    get(f"{site.url}/nowhere/")
    task = json.loads(
        site.do(
            "python",
            "manage.py",
            "celeriac",
            "send",
            "--json",
            "apps.main.tasks.generate_reports",
            '["nonsense"]',
        )
    )

    def lines(name: str) -> list[dict[str, Any]]:
        path = site.folder / "logs" / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def failed() -> list[dict[str, Any]]:
        return [each for each in lines("errors.log") if each.get("task_id") == task["task_id"]]

    (failure, *_) = eventually(failed, within=WITHIN_S)
    assert (failure["level"], failure["queue"], failure["attempt"]) == ("ERROR", "low_priority", 1)
    assert "there is no report nonsense" in failure["exception"]
    assert any(each["fields"]["task"].endswith("update_analytics") for each in lines("performance.log"))
    assert any("/nowhere/" in each["message"] for each in lines("django.log"))
    eventually(
        lambda: any(b"there is no report nonsense" in body for _, body in sentry.posts), within=WITHIN_S
    )
    metrics = get(f"http://127.0.0.1:{site.environ['METRICS_PORT']}/metrics")[1]
    for name in ("completions_total", "failures_total", "payload_bytes_count", "run_seconds_count"):
        assert re.search(rf'celeriac_task_{name}{{task="apps\.main\.tasks\.', metrics), name


def test_a_load_is_processed_and_leaves_nothing_behind(site: Portfolio) -> None:
    said = site.target("load-test", ARGS="--count 100", within=120)
    assert re.search(r"100 tasks: sent \d+/s, processed \d+/s", said)
    left = site.manage(
        "shell",
        "-c",
        "from apps.main.models import *; print(Project.objects.filter(slug='load_test').count())",
    )
    assert left.split()[-1] == "0"


def test_without_redis_a_file_carries_the_tasks_and_a_killed_worker_loses_none(
    mail: Mail, tmp_path: Path
) -> None:
    """A worker of the file's broker is killed whole; on Redis its tasks would wait for the visibility timeout."""
    made = Portfolio(
        tmp_path / "site",
        REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=str(mail.port),
        EMAIL_TIMEOUT="55",
    )
    try:
        demo = made.target("demo", within=150)
        assert "FALLS BACK to the broker sqlite:///.celeriac/broker.db" in demo
        assert "cannot be reached" in demo
        assert "[~] Redis connection established" in demo
        assert demo.count("[x]") == 9, demo
        assert len(re.findall("var/reports/.*csv", demo)) == 3, demo
        assert re.search(r"var/backups/portfolio-.*\.sqlite3", demo), demo

        made.manage("celeriac", "send", "apps.main.tasks.backup_data")
        # And the retry that the checklist has left.
        assert "Purged 2 messages" in made.target("purge", ARGS="-f")

        made.up = made.start_make("up")
        made.up.wait_for_log("ready:", within=WITHIN_S)
        mail.is_open.clear()
        try:
            made.message("patient")
            eventually(lambda: "send_notification" in made.target("active"), within=WITHIN_S)
            state = json.loads((made.folder / ".celeriac/up.json").read_text())
            (worker,) = [each for each in state["processes"] if each["name"] == "high-1"]
            os.killpg(worker["pid"], signal.SIGKILL)
        finally:
            mail.is_open.set()
        eventually(lambda: ("patient@x.example", "Your message has arrived") in mail.arrived, within=WITHIN_S)
        made.up.signal_group(signal.SIGINT)
        made.up.wait(within=WITHIN_S)
        assert "stopped cleanly" in made.up.log
    finally:
        made.close()


def test_what_is_wrong_is_said_with_its_remedy(tmp_path: Path) -> None:
    """The troubleshooting cases, Redis aside: no tables, nobody who works, a port that is taken."""
    made = Portfolio(tmp_path / "site", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    try:
        started = made.run("python", "start_celery_services.py", within=WITHIN_S)
        assert (started.returncode, "run  python manage.py migrate" in started.stderr) == (1, True)
        made.target("setup")
        sent = made.manage("celeriac", "send", "apps.main.tasks.backup_data").split()[-1]
        assert "nobody reads" in made.manage("celeriac", "why", sent)
        doctor = made.run("python", "manage.py", "celeriac", "doctor", "--json", within=WITHIN_S)
        found = {it["rule"]: it for it in json.loads(doctor.stdout)["findings"]}
        assert doctor.returncode == 1
        assert found["broker-fallback"]["at"].startswith("sqlite:")
        assert found["queue-unread"]["at"] == "queue low_priority"
        listed = made.manage("celeriac", "schedule", "list")
        assert all(
            name in listed
            for name in ("Check the site's health", "Sum up page views", "Remove temporary files")
        )
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            flower = made.run("python", "manage.py", "start_flower", f"--port={port}", within=WITHIN_S)
        assert flower.returncode == 1
        assert f"Flower cannot listen at 127.0.0.1:{port}" in flower.stderr
    finally:
        made.close()


def test_redis_as_it_is_deployed_asks_for_the_password_and_keeps_tasks_through_a_kill(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "redis"
    data.mkdir()
    site = Portfolio(
        tmp_path / "site", REDIS_URL=f"redis://:count@127.0.0.1:{port}/0", REDIS_PASSWORD="count"
    )
    services = YAML(typ="safe").load((site.folder / "deploy/compose/compose.yaml").read_text())["services"]
    shell = services["redis"]["command"][2].replace("$$", "$")
    here = f" --port {port} --bind 127.0.0.1 --dir {data}"

    def start_redis() -> Running:
        started = site.start("sh", "-c", shell + here)
        started.wait_for_log("Ready to accept connections", within=WITHIN_S)
        return started

    def status() -> str:
        done = site.run("python", "manage.py", "celeriac", "status", within=WITHIN_S)
        return done.stdout + done.stderr

    try:
        server = start_redis()
        site.target("setup")
        sent = site.manage("celeriac", "send", "apps.main.tasks.backup_data").split()[-1]
        server.signal(signal.SIGKILL)
        server.wait()
        start_redis()
        site.environ["REDIS_URL"] = site.environ["REDIS_URL"].replace(":count@", ":guessed@")
        refused = status()
        assert "invalid username-password pair" in refused
        assert "guessed" not in refused
        site.environ["REDIS_URL"] = site.environ["REDIS_URL"].replace(":guessed@", ":count@")
        site.start("python", "manage.py", "celeriac", "worker", "low")
        eventually(lambda: "succeeded" in site.manage("celeriac", "why", sent), within=WITHIN_S, every=0.5)
        assert len(list((site.folder / "var/backups").glob("*.sqlite3"))) == 1
    finally:
        site.close()


def test_redis_shows_nothing_and_only_the_site_and_the_workers_command(
    redis_server: RedisServer, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    pairs = {name: new_signing_pair() for name in ("site", "workers")}
    site = Portfolio(
        tmp_path / "site",
        REDIS_URL=redis_server.database(6),
        DATABASE_URL=postgres_server.new_database(),
        CELERIAC_ENV="production",
        CELERIAC_KEYS=new_key(),
        SITE_KEY=pairs["site"][1],
        WORKERS_KEY=pairs["workers"][1],
        CELERIAC_SENDER="site",
        CELERIAC_SIGNING_KEY=pairs["site"][0],
    )
    channel = "planted-channel"
    try:
        site.target("setup")
        task = "apps.main.tasks.send_notification"
        sent = site.manage("celeriac", "send", task, "4711", json.dumps([channel])).split()[-1]
        with Redis.from_url(redis_server.database(6)) as redis:
            (raw,) = [each for key in redis.keys("high_priority*") for each in redis.lrange(key, 0, -1)]
            message = json.loads(raw)
            seen = raw + base64.b64decode(message["body"])
            assert sent.encode() in seen
            assert channel.encode() not in seen
            # Whoever can write to Redis sends the same again as another task, and one of their own.
            message["headers"]["task"] = "apps.main.tasks.backup_data"
            message["properties"]["delivery_tag"] = "forged-1"
            redis.lpush("high_priority", json.dumps(message))
        with Connection(redis_server.database(6)) as forger:
            headers = {"task": "apps.main.tasks.backup_data", "id": "forged-2", "lang": "py"}
            forger.Producer().publish([[], {}, None], routing_key="high_priority", headers=headers)
        refused = site.run("python", "manage.py", "celeriac", "send", "apps.main.tasks.backup_data")
        assert 'the sender "site" may not send apps.main.tasks.backup_data' in refused.stderr
        site.environ |= {"CELERIAC_SENDER": "workers", "CELERIAC_SIGNING_KEY": pairs["workers"][0]}
        worker = site.start("python", "manage.py", "celeriac", "worker", "high")
        eventually(lambda: worker.log.count("became letter") >= 2, within=WITHIN_S)
        listed = eventually(
            lambda: json.loads(site.manage("celeriac", "dead", "list", "--reason", "forged", "--json")),
            within=WITHIN_S,
        )
        assert {each["task"] for each in listed} == {"apps.main.tasks.backup_data"}
        # The one that was sent has run: it says there is no such message.
        eventually(lambda: "send_notification" in site.manage("celeriac", "why", sent), within=WITHIN_S)
        assert not (site.folder / "var/backups").exists() or not any((site.folder / "var/backups").iterdir())
    finally:
        site.close()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_its_own_tests_pass(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    environ = {}
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        environ["DATABASE_URL"] = server.new_database()
    made = Portfolio(tmp_path / "site", **environ)
    try:
        assert re.search(r"\d\d passed", made.target("test", within=120))
    finally:
        made.close()
