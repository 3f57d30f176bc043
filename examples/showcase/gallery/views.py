"""The gallery's pages: the newest pictures, and a button that sends a chain."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from gallery.chains import picture
from gallery.models import Picture, Scene


def wall(request: HttpRequest) -> HttpResponse:
    """Show the newest published pictures."""
    pictures = Picture.objects.exclude(published_at=None).select_related("scene")[:12]
    return render(request, "gallery/wall.html", {"pictures": pictures, "scenes": Scene.objects.all()})


@require_POST
def render_one(request: HttpRequest) -> HttpResponse:
    """Have a picture rendered, and published when it is."""
    picture(5, request.POST.get("scene", "whole")).delay()
    return redirect("wall")
