"""How Django knows the gallery."""

from __future__ import annotations

from django.apps import AppConfig


class GalleryConfig(AppConfig):
    """The app `gallery`."""

    name = "gallery"
