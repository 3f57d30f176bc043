"""The seven tasks: what each does, and that doing it twice does no harm."""

import csv
import os
import smtplib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache, caches
from django.db import connection
from django.utils import timezone

from apps.main import actions, analytics, notifications, tasks
from apps.main.checklist import QUEUES
from apps.main.models import (
    ContactMessage,
    DailyPage,
    HealthReport,
    Notification,
    PageView,
    Project,
    UserAction,
)


@pytest.fixture
def message() -> ContactMessage:
    return ContactMessage.objects.create(name="Grace", email="grace@example.org", text="Hello!")


@pytest.mark.parametrize(("task", "queue"), QUEUES.items())
def test_each_task_goes_to_its_queue(task: str, queue: str) -> None:
    sent = getattr(tasks, task)
    assert sent.app.amqp.router.route({}, sent.name)["queue"].name == queue


def test_a_notification_leaves_once_on_each_channel(celeriac_sent: Any, message: ContactMessage) -> None:
    assert tasks.send_notification.delay(message.pk).get(timeout=10) == ["owner", "writer"]
    assert tasks.send_notification.delay(message.pk).get(timeout=10) == []
    assert len(mail.outbox) == 2
    assert Notification.objects.exclude(sent_at=None).count() == 2


def test_a_mail_server_that_is_away_is_tried_three_times_more(
    celeriac_retried: Any, celeriac_letters: Any, message: ContactMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise smtplib.SMTPServerDisconnected("no answer")

    monkeypatch.setattr(notifications, "send_mail", away)
    tasks.send_notification.delay(message.pk)
    celeriac_retried.times(3, "apps.main.tasks.send_notification", exception=smtplib.SMTPServerDisconnected)
    celeriac_letters.one("apps.main.tasks.send_notification", reason="failed", attempts=4)
    monkeypatch.undo()
    assert celeriac_letters.replay("apps.main.tasks.send_notification") == 1
    assert Notification.objects.exclude(sent_at=None).count() == 2


def test_an_action_that_is_not_there_yet_is_tried_twice_more(
    celeriac_retried: Any, celeriac_letters: Any
) -> None:
    tasks.process_user_action.delay(12345)
    celeriac_retried.times(2, "apps.main.tasks.process_user_action", exception=actions.UnknownAction)
    celeriac_letters.one("apps.main.tasks.process_user_action", attempts=3)


def test_likes_are_counted_by_visitor_however_often_an_action_is_processed(celeriac_sent: Any) -> None:
    project = Project.objects.get(slug="letterpress")
    for visitor in ("a", "a", "b"):
        like = UserAction.objects.create(kind=UserAction.Kind.LIKE, visitor=visitor, project=project)
        for _ in range(2):
            assert tasks.process_user_action.delay(like.pk).get(timeout=10) == "like"
    project.refresh_from_db()
    assert project.likes == 2


def test_page_views_are_summed_up_by_day_and_page(celeriac_sent: Any) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for hours, path, visitor in (
        (0, "/", "a"),
        (1, "/", "a"),
        (2, "/", "b"),
        (3, "/contact/", "b"),
        (13, "/", "c"),
    ):
        view = PageView.objects.create(path=path, visitor=visitor, took_ms=10 * hours)
        PageView.objects.filter(pk=view.pk).update(seen_at=noon + timedelta(hours=hours))
    for _ in range(2):
        analytics.update(noon.date())
    assert list(DailyPage.objects.values_list("path", "views", "visitors", "mean_ms")) == [
        ("/", 3, 2, 10.0),
        ("/contact/", 1, 1, 30.0),
    ]
    assert cache.get(analytics.TODAY) == {"day": "2026-03-02", "views": 4, "visitors": 2, "pages": 2}


def test_what_is_old_is_cleaned_up_and_what_is_new_stays(celeriac_sent: Any, folders: Path) -> None:
    old, new, elsewhere = settings.TEMP_DIR / "sub/old", settings.TEMP_DIR / "new", folders / "elsewhere"
    old.parent.mkdir()
    for path in (old, new, elsewhere):
        path.write_text("x")
        os.utime(path, (0, 0))
    os.utime(new, (time.time(), time.time()))
    (settings.TEMP_DIR / "link").symlink_to(elsewhere)
    os.utime(settings.TEMP_DIR / "link", (0, 0), follow_symlinks=False)
    cache.set("stale", 1, timeout=-1)
    cache.set("fresh", 1, timeout=100)
    Session.objects.create(session_key="s", session_data="", expire_date=timezone.now() - timedelta(days=1))
    view = PageView.objects.create(path="/", visitor="a", took_ms=1)
    PageView.objects.filter(pk=view.pk).update(seen_at=timezone.now() - timedelta(days=91))
    removed = tasks.cleanup_temp_files.delay().get(timeout=10)
    assert removed["files"] == 2
    assert (removed["sessions"], removed["page_views"]) == (1, 1)
    assert (old.exists(), new.exists(), elsewhere.exists(), cache.get("fresh")) == (False, True, True, 1)


def test_expired_cache_entries_are_deleted(celeriac_sent: Any) -> None:
    cache.set("gone", 1, timeout=100)
    with connection.cursor() as cursor:
        past = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(hours=1))
        cursor.execute("UPDATE django_cache SET expires = %s", [past])
    cache.set("here", 1, timeout=100)
    assert tasks.cleanup_temp_files.delay().get(timeout=10)["cache_entries"] == 1
    assert cache.get("here") == 1


def test_health_is_checked_for_real_and_kept(celeriac_sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = tasks.health_check.delay()
    assert fine.get(timeout=10) == {
        "healthy": True, "database": "ok", "cache": "ok", "broker": "ok", "disk": "ok"
    }  # fmt: skip
    assert caches["django-cache"].get(f"celery-task-meta-{fine.id}")["status"] == "SUCCESS"
    monkeypatch.setattr(settings, "DATA_DIR", Path("/nowhere/at/all"))
    bad = tasks.health_check.delay().get(timeout=10)
    assert not bad["healthy"]
    assert bad["disk"].startswith("FileNotFoundError")
    assert [each.is_healthy for each in HealthReport.objects.all()] == [False, True]


def test_reports_are_files_of_what_is_in_the_database(celeriac_sent: Any) -> None:
    day = timezone.now().date()
    DailyPage.objects.create(day=day, path="/<script>", views=3, visitors=2, mean_ms=1.26)
    names = tasks.generate_reports.delay(["traffic"]).get(timeout=10)
    assert names == [f"traffic-{day}.csv", f"traffic-{day}.html"]
    with (settings.REPORTS_DIR / names[0]).open() as file:
        assert list(csv.DictReader(file)) == [
            {"day": str(day), "path": "/<script>", "views": "3", "visitors": "2", "mean ms": "1.3"}
        ]
    assert "&lt;script&gt;" in (settings.REPORTS_DIR / names[1]).read_text()
    assert not list(settings.TEMP_DIR.iterdir())


def test_a_report_that_there_is_not_is_a_letter_at_once(celeriac_retried: Any, celeriac_letters: Any) -> None:
    tasks.generate_reports.delay(["nonsense"])
    celeriac_retried.none()
    letter = celeriac_letters.one("apps.main.tasks.generate_reports", exception=ValueError, attempts=1)
    assert "there are traffic, performance, system" in letter.message
