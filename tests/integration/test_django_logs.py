"""The logs of a site, written where the plan says."""

from __future__ import annotations

import json
import sys

from servers.django_site import PLAN, DjangoSite

SETTINGS = """
LOGGING_CONFIG = "celeriac.integrations.django.logs.log_as_planned"
LOGGING = {"level": "ERROR"}
"""
FILES = """
[logs.files.django]
path    = "logs/django.log"
loggers = ["django"]
format  = "json"
"""
SAY = """\
import django, logging
django.setup()
logging.getLogger("django.request").error("of the site: redis://u:secret@h")
logging.getLogger("django.request").warning("for the file alone")
logging.getLogger("shop").info("of no file")
"""


def test_a_site_logs_into_the_files_of_its_plan_and_once_to_the_screen(project):
    site = DjangoSite(project(plan=PLAN + FILES), SETTINGS)
    said = site.project.run(sys.executable, "-c", SAY)
    assert said.returncode == 0, said.stderr
    lines = [json.loads(line) for line in (site.folder / "logs/django.log").read_text().splitlines()]
    assert [line["message"] for line in lines] == ["of the site: redis://u:***@h", "for the file alone"]
    assert said.stderr.count("of the site") == 1
    assert "secret" not in said.stderr
    assert "for the file alone" not in said.stderr


def test_a_plan_that_cannot_be_read_is_said_by_the_checks_not_by_the_logs(project):
    site = DjangoSite(project(plan="[queues.default]\nmax = 1\n"), SETTINGS)
    said = site.manage("check")
    assert said.returncode == 1
    assert "[queues.default].max: (celeriac.PLAN-" in said.stderr
    assert "Traceback" not in said.stderr
