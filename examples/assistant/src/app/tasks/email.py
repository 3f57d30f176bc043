"""Email: a message goes to the mail server."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from celery import shared_task

from app.core.settings import settings


@shared_task(bind=True)
def send(self: Any, to: str, subject: str, body: str) -> str:
    """Send a plain message, and give its Message-ID.

    The id is the task's: a message sent again after a worker died is the same message to whoever reads it.
    """
    message = EmailMessage()
    message["From"] = "assistant@example.org"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{self.request.id}@assistant.example.org>"
    message.set_content(body)
    server = urlsplit(settings().smtp_url)
    with smtplib.SMTP(server.hostname or "", server.port or 25, timeout=20) as connection:
        connection.send_message(message)
    return str(message["Message-ID"])
