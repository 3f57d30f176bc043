"""Django's admin in a real browser, over a running site: what a person sees, clicks and is refused."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from servers.browser import Browser
from servers.django_site import TASKS, DjangoSite
from servers.project import Project
from servers.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

PLAN = """\
[celeriac]
name = "site"
state = "${STATE}"

[queues.default]

[pools.web]
queues = ["default"]
executor = "solo"

[tasks."shop.*"]
retry = { limit = 0 }

[records]

[beat]
replicas = 1
"""

MOODY = """

@shared_task(name="shop.moody")
def moody(*args):
    from pathlib import Path

    if not Path("mended").exists():
        raise ValueError("not yet \\ud800 <script>alert(1)</script>")
    return "went well"


@shared_task(name="shop.order")
def order(name):
    from shop.models import Order

    Order.objects.create(name=name)
"""

SETTINGS = """
CELERY_RESULT_BACKEND = "django-db"
# Thrown away after the test: nobody waits for the disk.
DATABASES["default"]["OPTIONS"] = {"timeout": 30, "init_command": "PRAGMA synchronous=OFF"}
"""

USERS = """
from django.contrib.auth.models import Permission, User
User.objects.create_superuser("chief", password="chief")
viewer = User.objects.create_user("viewer", password="viewer", is_staff=True)
for each in ("view_letter", "view_run"):
    viewer.user_permissions.add(Permission.objects.get(codename=each, content_type__app_label="celeriac"))
answer = None
"""

SCHEDULE = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
hourly = IntervalSchedule.objects.create(every=1, period="hours")
IntervalSchedule.objects.create(every=1, period="seconds")
PeriodicTask.objects.create(name="an order", task="shop.order", args='["of the hour"]', interval=hourly, enabled=False)
answer = None
"""

#: of an argument: markup, text that runs the other way, a lone surrogate, and more than fits
HOSTILE = r"'<img src=x onerror=alert(1)>\u202e\ud800' + 'm' * 300_000"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated database with its users: making one takes as long as a test."""
    project = Project(
        tmp_path_factory.mktemp("site"), plan=PLAN, tasks="", environ={"STATE": "sqlite:///records.db"}
    )
    made = DjangoSite(project, SETTINGS)
    made.migrate()
    made.ask(USERS)
    return made.folder / "site.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def site(project: Any, database: Path, request: pytest.FixtureRequest) -> DjangoSite:
    """A site without processes yet, its records in SQLite or Postgres."""
    state = "sqlite:///records.db"
    if request.param == "postgresql":
        state = request.getfixturevalue("postgres_server").new_database()
    made = DjangoSite(project(plan=PLAN, environ={"STATE": state}), SETTINGS)
    made.project.write("shop/tasks.py", TASKS + MOODY)
    shutil.copy(database, made.folder)
    return made


def log_in(browser: Browser, url: str, name: str, **window: Any) -> Page:
    page = browser.open(f"{url}/admin/login/", **window)
    page.fill("#id_username", name)
    page.fill("#id_password", name)
    page.click("[type=submit]")
    page.wait_for_url(f"{url}/admin/")
    return page


def follow(page: Page, selector: str) -> None:
    """Click what leads to another page, and wait until that one is there."""
    with page.expect_navigation():
        page.locator(selector).click()


def is_as_wide_as_its_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def looks(page: Page, address: str) -> Iterator[str]:
    """Give the page's text at the widths of a desk and of a phone."""
    for width in (1280, 375):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(address)
        assert is_as_wide_as_its_window(page), f"{address} at {width} pixels"
        assert page.evaluate("document.documentElement.scrollHeight") < 8000, address
        yield page.inner_text("#content")


@pytest.mark.timeout(300)  # six processes and a browser, on a machine that may be slow
def test_a_letter_is_replayed_by_who_may_and_seen_to_run(site: DjangoSite, browser: Browser) -> None:
    up = site.project.start(sys.executable, "manage.py", "celeriac", "up")
    url = site.serve()
    send = f"from shop.tasks import moody\nmoody.delay({HOSTILE}, 'first')\nanswer = moody.delay('second').id"
    task_id = site.ask(send)
    eventually(lambda: up.log.count("became letter") == 2, within=60)

    viewer = log_in(browser, url, "viewer", is_dark=True)
    letters = f"{url}/admin/celeriac/letter/"
    for text in looks(viewer, letters):
        assert text.count("shop.moody") >= 2
        assert "not yet" in text
    assert viewer.locator("select[name=action]").count() == 0
    follow(viewer, ".field-short_id a >> nth=1")  # the hostile one died first
    for text in looks(viewer, viewer.url):
        assert "\\ud800" in text
        assert "characters more" in text
    assert viewer.locator("[name=_replay], [name=_discard]").count() == 0
    browser.forgive("403")
    refused = viewer.evaluate(
        """() => fetch(location.href, {method: "POST", body: new URLSearchParams({
            _replay: "1", csrfmiddlewaretoken: document.querySelector("[name=csrfmiddlewaretoken]").value
        })}).then(answer => answer.status)"""
    )
    assert refused == 403
    viewer.goto(letters)
    assert "2 dead letters" in viewer.inner_text(".paginator"), "refused is not done"

    site.project.write("mended", "")
    chief = log_in(browser, url, "chief")
    chief.goto(letters)
    chief.check("#action-toggle")
    chief.select_option("[name=action]", "replay")
    follow(chief, "button[name=index]")
    assert "Replay 2 dead letters?" in chief.inner_text("#content")
    assert is_as_wide_as_its_window(chief)
    viewer.reload()
    assert "2 dead letters" in viewer.inner_text(".paginator"), "asked is not done"
    follow(chief, "input[type=submit][value='Replay 2 dead letters']")
    assert "Replayed 2 dead letters." in chief.inner_text(".messagelist")
    assert "No letter is like this." in chief.inner_text("#content")

    # The letter is found by the task's id though it is settled, and leads to its run, and on to the result.
    chief.goto(f"{letters}?q={task_id}")
    follow(chief, ".field-short_id a")
    assert "replayed to default at" in chief.inner_text("#content")
    letter = chief.url.partition("?")[0]

    def succeeded() -> bool:
        chief.goto(letter)
        return "run, succeeded" in chief.inner_text("#content")

    eventually(succeeded, within=60)
    follow(chief, "text=run, succeeded")
    for text in looks(chief, chief.url):
        assert f"{task_id}" in text
        assert re.search(r"dead\b[\s\S]*succeeded", text)
    assert chief.locator(f'a[href="{letter.removeprefix(url)}"]').count() == 1
    follow(chief, "text=SUCCESS")
    assert "went well" in chief.content()
    assert up.stop(within=60) == 0


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_schedule_edited_in_the_admin_is_taken_up_by_beat(site: DjangoSite, browser: Browser) -> None:
    site.ask(SCHEDULE)
    site.project.start(sys.executable, "manage.py", "celeriac", "up").wait_for_log("beat", within=60)
    url = site.serve()
    count = "from shop.models import Order\nanswer = list(Order.objects.values_list('name', flat=True))"
    page = log_in(browser, url, "chief")
    page.goto(f"{url}/admin/django_celery_beat/periodictask/")
    follow(page, "text=an order")
    page.check("#id_enabled")
    page.select_option("#id_interval", label="every second")
    page.click("summary:has-text('Arguments')")
    page.fill("#id_args", json.dumps(["of the browser"]))
    follow(page, "[name=_save]")
    assert "was changed successfully" in page.inner_text(".messagelist")
    made = eventually(lambda: site.ask(count), within=60, every=0.5)
    assert set(made) == {"of the browser"}  # type: ignore[call-overload]


RUNS = """
import time
from celeriac.integrations.django.project import project_plan
from celeriac.records import Runs
from celeriac.records.run import Description, Run, Sighting
runs = Runs(project_plan().state, project_plan().folder)
for start in range(0, 12_000, 2000):
    runs.keep(
        Run(
            task_id=f"run-{n:05}",
            history=(Sighting(at=1.7e9 - n, state="succeeded"),),
            description=Description(is_full=True, task="shop.pay", queue="default"),
        )
        for n in range(start, start + 2000)
    )
answer = None
"""


def test_runs_past_the_end_of_the_list_are_reached_by_time_and_by_id(
    site: DjangoSite, browser: Browser
) -> None:
    site.ask(RUNS)
    url = site.serve()
    page = log_in(browser, url, "viewer")
    runs = f"{url}/admin/celeriac/run/"
    first = ".field-short_id a >> nth=0"
    page.goto(runs)
    assert page.inner_text(".field-task_id, .field-short_id >> nth=0") == "run-0000"
    follow(page, "text=/^200$/")
    follow(page, "text=Older ones")
    # The last of the list is the first of what is older: another may have been seen in its millisecond.
    assert "run-09999" in (page.get_attribute(first, "href") or "")
    assert "2001 task runs" in page.inner_text(".paginator")
    assert page.locator("text=Older ones").count() == 0
    page.fill(".celeriac-moments [name=until]", "2023-11-14T15:00")
    follow(page, "text=Apply")
    shown = page.inner_text(".field-seen >> nth=0")
    assert shown.startswith("2023-11-14\n14:59:59")
    page.goto(f"{runs}?q=run-11999")
    assert page.locator(".field-short_id").count() == 1
    page.goto(f"{runs}?q={quote('nothing like it')}")
    assert "No run is like this." in page.inner_text("#content")
    page.goto(f"{runs}?until=nonsense")
    assert page.locator(".field-short_id").count() == 50, "a moment that is none is left out"
