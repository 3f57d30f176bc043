"""The site as a visitor sees it, and what it sends to the workers."""

from typing import Any

from django.core import mail
from django.test import Client, TestCase

from apps.main.models import ContactMessage, PageView, Project, UserAction

WRITTEN = {"name": "Grace", "email": "grace@example.org", "text": "Hello!"}


def test_every_page_is_there_and_counted(celeriac_sent: Any) -> None:
    pages = ["/", "/projects/letterpress/", "/contact/", "/status/"]
    for path in pages:
        assert Client().get(path).status_code == 200
    assert list(PageView.objects.order_by("pk").values_list("path", flat=True)) == pages


def test_a_message_is_told_of_once_it_is_committed(celeriac_sent: Any) -> None:
    with TestCase.captureOnCommitCallbacks() as committed:
        Client().post("/contact/", WRITTEN)
    celeriac_sent.none()
    for send in committed:
        send()
    message = ContactMessage.objects.get()
    celeriac_sent.one("apps.main.tasks.send_notification", args=(message.pk,), queue="high_priority")
    assert [each.to for each in mail.outbox] == [["owner@portfolio.example"], ["grace@example.org"]]


def test_a_form_that_is_wrong_sends_nothing(celeriac_sent: Any) -> None:
    page = Client().post("/contact/", WRITTEN | {"email": "nowhere"})
    assert "valid email address" in page.text
    assert not ContactMessage.objects.exists()
    celeriac_sent.none()


def test_a_like_counts_and_is_taken_back(celeriac_sent: Any) -> None:
    for likes in (1, 0, 1):
        with TestCase.captureOnCommitCallbacks(execute=True):
            Client().post("/projects/letterpress/like/")
        assert Project.objects.get(slug="letterpress").likes == likes
    assert UserAction.objects.filter(processed_at=None).count() == 0
    celeriac_sent.times(3, "apps.main.tasks.process_user_action", queue="high_priority")
