"""Light tasks: they wait for disk, database and network, and are tried again until they succeed."""

from __future__ import annotations

import json
from hashlib import sha256
from urllib.request import Request, urlopen

from celeriac import LightTask
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from gallery.files import read, write_whole
from gallery.models import Picture

FEED = "feed.json"
NEWEST_IN_FEED = 50
ANSWERS_WITHIN_S = 10


@shared_task(base=LightTask)
def light_task(picture: int | None = None) -> int:
    """Publish a picture, or without one all that wait for it: tell the subscriber, write the feed anew.

    Returns: how many were published. What is published already is left alone, so a second run does no harm; the
    subscriber may hear of a picture twice.
    Raises: OSError if the subscriber cannot be told.
    """
    waiting = Picture.objects.filter(published_at=None).select_related("scene")
    if picture is not None:
        waiting = waiting.filter(pk=picture)
    published = [_publish(each) for each in waiting]
    newest = Picture.objects.exclude(published_at=None).select_related("scene")[:NEWEST_IN_FEED]
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Mandelbrot",
        "items": [_item(each) for each in newest],
    }
    write_whole(FEED, json.dumps(feed, indent=1).encode())
    return len(published)


def _publish(picture: Picture) -> Picture:
    picture.sha256 = sha256(read(picture.path)).hexdigest()
    if settings.SUBSCRIBER_URL:
        body = json.dumps(_item(picture)).encode()
        request = Request(settings.SUBSCRIBER_URL, body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=ANSWERS_WITHIN_S) as answer:
            answer.read()
    picture.published_at = timezone.now()
    picture.save(update_fields=["published_at", "sha256"])
    return picture


def _item(picture: Picture) -> dict[str, str]:
    return {
        "id": picture.task_id,
        "title": str(picture),
        "image": f"{settings.MEDIA_URL}{picture.path}",
        "sha256": picture.sha256,
    }
