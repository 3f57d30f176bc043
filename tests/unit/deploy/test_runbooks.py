"""Every alert has its page, every page its alert, and the commands in them exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest

from celeriac.cli.main import cli
from celeriac.deploy.prometheus.files import groups
from celeriac.plan import Metrics, Plan, Pool, Queue, Schedule
from celeriac.plan.tables.queues import WhenFull

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = sorted((DOCS / "runbooks").glob("*.md"))
SECOND = timedelta(seconds=1)
#: with everything an alert can be made of
PLAN = Plan(
    queues={"a": Queue(max_wait=SECOND, max_length=10)},
    pools={"p": Pool(queues=("a",), replicas=2)},
    schedules={"s": Schedule(task="t", every=SECOND)},
    metrics=Metrics(),
)


def commands(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("    celeriac "):
            yield line.strip()
        else:
            yield from re.findall(r"`(celeriac [^`]+)`", line)


def alerts() -> dict[str, str]:
    return {alert.page: alert.title for group in groups(PLAN) for alert in group.alerts}


def test_every_alert_has_its_page_and_every_page_its_alert():
    assert {page.name: page.read_text().splitlines()[0] for page in PAGES} == {
        page: f"# {title}" for page, title in alerts().items()
    }


def test_the_list_of_alerts_names_each_with_its_page():
    text = (DOCS / "how-to" / "alerts.md").read_text()
    assert dict(re.findall(r"\[`(Celeriac\w+)`\]\(\.\./runbooks/([a-z-]+\.md)\)", text)) == {
        title: page for page, title in alerts().items()
    }


def test_a_page_names_the_severity_of_its_alert():
    for alert in (alert for group in groups(PLAN) for alert in group.alerts):
        assert f"*{alert.severity}*. " in (DOCS / "runbooks" / alert.page).read_text()


@pytest.mark.parametrize("page", [*PAGES, DOCS / "how-to" / "alerts.md"], ids=lambda page: page.stem)
def test_every_command_of_a_page_exists_with_its_options(page: Path):
    found = list(commands(page.read_text()))
    assert found
    for line in found:
        _, *words = shlex.split(line, comments=True)
        command: click.Command = cli
        # A group, like `runs`, may be a command of its own too.
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            known = command.get_command(click.Context(command), words[0])
            assert known is not None, line
            command, words = known, words[1:]
        options = {name for param in command.params for name in param.opts}
        assert {word for word in words if word.startswith("-")} <= options, line


@pytest.mark.parametrize(
    ("when_full", "then"), [("block", "wait"), ("reject", "are refused"), ("spool", "keep theirs")]
)
def test_the_alert_for_a_full_queue_says_what_becomes_of_senders(when_full: WhenFull, then: str) -> None:
    plan = Plan(queues={"a": Queue(max_length=10, when_full=when_full)}, metrics=Metrics())
    (full,) = (alert for group in groups(plan) for alert in group.alerts if alert.name == "QueueFull")
    assert f"senders {then}" in full.description
