"""What the publisher sends: heavy work, whose result light work takes on."""

from __future__ import annotations

from celery import chain
from celery.canvas import Signature


def picture(detail: int = 5, scene: str = "whole") -> Signature:
    """Give the chain that renders a picture and publishes it; `.delay()` sends it."""
    # Not at the top: Django's checks import the site's pages in every worker, and each is to know its own tasks alone.
    from gallery.heavy import heavy_task  # noqa: PLC0415
    from gallery.light import light_task  # noqa: PLC0415

    return chain(heavy_task.s(detail, scene), light_task.s())
