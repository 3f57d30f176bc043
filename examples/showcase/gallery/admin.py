"""The gallery in Django's admin, beside the schedules, the dead letters and the task runs."""

from __future__ import annotations

from django.contrib import admin

from gallery.models import Picture, Scene


@admin.register(Scene)
class SceneAdmin(admin.ModelAdmin):
    """Scenes, to be added and changed."""

    list_display = ("name", "x", "y", "width")


@admin.register(Picture)
class PictureAdmin(admin.ModelAdmin):
    """What was rendered, and when it was published."""

    list_display = ("task_id", "scene", "detail", "rendered_at", "published_at")
    list_filter = ("scene", "detail")
