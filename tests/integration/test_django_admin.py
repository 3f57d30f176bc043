"""Dead letters in the Django admin of a real site, written by a real worker."""

from __future__ import annotations

import sys

import pytest

from servers.django_site import DjangoSite

HOSTILE = "<script>alert('x')</script>\u202e\x1b[2J"

#: logs in users, and looks at pages as they do
BROWSE = f"""
from django.contrib.auth.models import Permission, User
from django.test import Client
from celeriac.integrations.django.rows import project_letters
from celeriac.control.letters import letter_filter

HOSTILE = {HOSTILE!r}
LIST = "/admin/celeriac/letter/"

def user(name, *permissions):
    made, is_new = User.objects.get_or_create(username=name, is_staff=True)
    for each in permissions:
        made.user_permissions.add(Permission.objects.get(codename=each, content_type__app_label="celeriac"))
    browser = Client()
    browser.force_login(made)
    return browser

def ids(**wanted):
    return project_letters().matching(letter_filter(**wanted))

viewer = user("viewer", "view_letter")
operator = user("operator", "view_letter", "replay_letter", "discard_letter")
"""


@pytest.fixture
def site(project, eventually):
    made = DjangoSite(project())
    from servers.django_site import PLAN

    made.project.write("celeriac.toml", PLAN)
    made.migrate()
    worker = made.project.start(sys.executable, "manage.py", "celeriac", "worker", "web")
    made.worker = worker
    made.ask(
        f"from shop.tasks import fail\nfor text in [{HOSTILE!r}, 'two', 'three']:\n    fail.delay(text)\nanswer = 1"
    )
    eventually(lambda: worker.log.count("became letter") == 3, within=60)
    return made


def test_letters_are_listed_found_shown_replayed_and_discarded_by_those_who_may(site, eventually):
    seen = site.ask(
        BROWSE
        + """
answer = {}
page = viewer.get(LIST).content.decode()
answer["rows"] = page.count('class="action-select"') + page.count("field-short_id")
answer["escaped"] = "<script>alert" not in page and "&lt;script&gt;alert" in page
answer["viewer sees no action"] = 'value="replay"' not in page
answer["operator sees actions"] = all(
    f'value="{each}"' in operator.get(LIST).content.decode() for each in ("replay", "discard"))
answer["no delete"] = 'value="delete_selected"' not in operator.get(LIST).content.decode()
answer["found by name"] = viewer.get(LIST, {"q": "shop.f*"}).content.decode().count("field-short_id")
answer["not found"] = viewer.get(LIST, {"q": "nothing.*"}).content.decode().count("field-short_id")
one = ids()[0]
answer["found by id"] = viewer.get(LIST, {"q": one[:12]}).content.decode().count("field-short_id")
answer["by state"] = viewer.get(LIST, {"state": "replayed"}).content.decode().count("field-short_id")
answer["by queue"] = viewer.get(LIST, {"queue": "low"}).content.decode().count("field-short_id")
shown = viewer.get(f"{LIST}{one}/change/").content.decode()
answer["shown"] = "Traceback" in shown and "<script>alert" not in shown and 'name="_replay"' not in shown
answer["buttons"] = 'name="_replay"' in operator.get(f"{LIST}{one}/change/").content.decode()
answer["gone"] = viewer.get(f"{LIST}nonsense/change/").status_code
answer["stranger"] = user("stranger").get(LIST).status_code
answer["viewer may not"] = [
    viewer.post(f"{LIST}{one}/change/", {"_replay": "1"}).status_code,
    viewer.post(f"{LIST}{one}/change/", {"_discard": "1"}).status_code,
]
viewer.post(LIST, {"action": "replay", "_selected_action": ids()})
answer["still waiting"] = len(ids())
forged = Client(enforce_csrf_checks=True)
forged.force_login(User.objects.get(username="operator"))
answer["forged"] = forged.post(f"{LIST}{one}/change/", {"_discard": "1"}).status_code

asked = operator.post(f"{LIST}{one}/change/", {"_discard": "1"}).content.decode()
answer["asked"] = ["Discard 1 dead letter?" in asked, "<script>alert" not in asked, len(ids())]
done = operator.post(f"{LIST}{one}/change/", {"_discard": "1", "confirmed": "1"}, follow=True).content.decode()
answer["discarded"] = ["Discarded 1 dead letter." in done, len(ids(states=["discarded"]))]
press = {"action": "replay", "_selected_action": ids()}
answer["asked again"] = "Replay 2 dead letters?" in operator.post(LIST, press).content.decode()
done = operator.post(LIST, press | {"confirmed": "2"}, follow=True).content.decode()
answer["replayed"] = ["Replayed 2 dead letters." in done, len(ids(states=["replayed"]))]
again = operator.post(f"{LIST}{one}/change/", {"_replay": "1"}, follow=True).content.decode()
answer["refused"] = "LETTER-" in again
history = operator.get(f"{LIST}{one}/history/").content.decode()
answer["logged"] = "Discarded." in history and "operator" in history
from django.core.management import call_command
import io
call_command("dumpdata", stdout=(out := io.StringIO()))
answer["dumped"] = "auth.user" in out.getvalue() and "celeriac.letter" not in out.getvalue()
root = User.objects.create_superuser("admin")
browser = Client()
browser.force_login(root)
index = browser.get("/admin/").content.decode()
answer["beside"] = [each in index for each in ("Dead letters", "Periodic tasks", "Task results")]
answer["makemigrations"] = call_command("makemigrations", "celeriac", check=True, dry_run=True, verbosity=0)
"""
    )
    assert seen == {
        "rows": 3,
        "escaped": True,
        "viewer sees no action": True,
        "operator sees actions": True,
        "no delete": True,
        "found by name": 3,
        "not found": 0,
        "found by id": 1,
        "by state": 0,
        "by queue": 3,
        "shown": True,
        "buttons": True,
        "gone": 302,
        "stranger": 403,
        "viewer may not": [403, 403],
        "still waiting": 3,
        "forged": 403,
        "asked": [True, True, 3],
        "asked again": True,
        "discarded": [True, 1],
        "replayed": [True, 2],
        "refused": True,
        "logged": True,
        "dumped": True,
        "beside": [True, True, True],
        "makemigrations": None,
    }
    # The two that were replayed ran again, and died again.
    eventually(lambda: site.worker.log.count("became letter") == 5, within=60)
    assert site.worker.stop() == 0


def test_long_lists_are_paged_and_broken_records_are_said(project):
    made = DjangoSite(project())
    made.migrate()
    seen = made.ask(
        BROWSE
        + """
from celeriac.records import Letter, Records
from celeriac.integrations.django.project import project_plan
records = Records(project_plan().state, project_plan().folder)
records.insert_letters([
    Letter(id=f"{n:08d}", reason="failed", queue="low", died_at=1e9 + n, body=b"", task=f"shop.n{n % 3}")
    for n in range(120)
])
pages = [viewer.get(LIST, {"p": n, "task": ""}).content.decode() for n in (1, 3)]
answer = [[page.count("field-short_id") for page in pages], "00000119" in pages[0], "00000000" in pages[1]]
answer.append("120 dead letters" in pages[0])
answer.append(viewer.get(LIST, {"task": "shop.n1", "all": ""}).content.decode().count("field-short_id"))
operator.post(LIST, {"action": "discard", "_selected_action": ["00000119"], "select_across": "1", "confirmed": "110"})
answer.append(sorted(ids()))
records.close()
project_letters().close()
import pathlib
state = pathlib.Path(project_plan().folder, ".celeriac", "records.db")
for each in state.parent.glob("records.db*"):
    each.unlink()
state.write_text("no database")
broken = viewer.get(LIST)
answer.append([broken.status_code, "RECORD-" in broken.content.decode()])
"""
    )
    # The oldest as many as were confirmed: one that died in between is left.
    assert seen == [[50, 20], True, True, True, 40, [f"{n:08}" for n in range(110, 120)], [503, True]]


def test_runs_are_listed_found_and_shown(project):
    made = DjangoSite(project())
    made.migrate()
    seen = made.ask(
        BROWSE
        + """
from celeriac.integrations.django.project import project_plan
from celeriac.records.run import Description, Mishap, Run, Sighting
from celeriac.records import Runs
import time
now = time.time()
runs = Runs(project_plan().state, project_plan().folder)
runs.keep(
    Run(
        task_id=f"id-{n:04d}",
        history=(
            Sighting(at=now - 500_000 + n, state="sent"),
            Sighting(at=now - 500_000 + n + 1, state="running", worker="web-1@here", attempt=1),
            Sighting(at=now - 500_000 + n + 2, state="failed" if n % 3 == 0 else "succeeded", run_s=0.5),
        ),
        description=Description(is_full=True, task=f"shop.n{n % 2}", queue="low", args=f"[{n}, '{HOSTILE}']"),
        mishap=Mishap(at=now, error=HOSTILE, traceback=HOSTILE) if n % 3 == 0 else None,
    )
    for n in range(120)
)
RUNS = "/admin/celeriac/run/"
looker = user("looker", "view_run")
def rows(**query):
    return looker.get(RUNS, query).content.decode().count("field-seen")
answer = [rows(p=1), rows(p=3), rows(state="failed"), rows(q="shop.n1"), rows(q="id-0007"), rows(q="[7,"),
          rows(queue="default"), rows(since="hour"), rows(since="week", state="succeeded", p=2)]
page = looker.get(RUNS).content.decode()
answer.append(["120 task runs" in page, "No runs are recorded" in page, "<script>alert" not in page])
shown = looker.get(f"{RUNS}id-0006/change/").content.decode()
answer.append(["web-1@here" in shown, "0.500 s" in shown, "<script>alert" not in shown, "succeeded" in shown,
               "failed" in shown])
answer.append([user("viewer").get(RUNS).status_code, looker.get(LIST).status_code,
               looker.post(f"{RUNS}id-0006/change/", {"_save": "1"}).status_code,
               looker.get(f"{RUNS}nonsense/change/").status_code])
"""
    )
    assert seen == [
        *(50, 20, 40, 50, 1, 1, 0, 0, 30),
        [True, True, True],
        [True, True, True, False, True],
        [403, 403, 403, 302],
    ]
