"""Telling the owner, and whoever wrote, that a message has come."""

from collections.abc import Callable, Sequence

from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from apps.main.models import ContactMessage, Notification

CHANNELS = ("owner", "writer")


def notify(message_id: int, channels: Sequence[str] = CHANNELS) -> list[str]:
    """Send word of a message on each channel where none has left yet, and name these channels.

    Raises: KeyError for a channel that there is not; OSError or SMTPException if the mail server did not take it.
    """
    message = ContactMessage.objects.get(pk=message_id)
    return [channel for channel in channels if _send_once(message, channel, _SENDERS[channel])]


def _send_once(message: ContactMessage, channel: str, send: Callable[[ContactMessage], int]) -> bool:
    notification, _ = Notification.objects.get_or_create(message=message, channel=channel)
    if notification.sent_at is not None:
        return False
    send(message)
    # A run that dies right here sends the mail a second time: better twice than never.
    notification.sent_at = timezone.now()
    notification.save(update_fields=["sent_at"])
    return True


def _to_owner(message: ContactMessage) -> int:
    text = f"{message.name} <{message.email}> wrote:\n\n{message.text}\n"
    return send_mail(f"A message of {message.name}", text, None, [settings.OWNER_EMAIL])


def _to_writer(message: ContactMessage) -> int:
    text = f"Hello {message.name},\n\nthank you for your message. You will hear from me soon.\n"
    return send_mail("Your message has arrived", text, None, [message.email])


_SENDERS = {"owner": _to_owner, "writer": _to_writer}
