"""Counting page views."""

import hashlib
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.main.models import PageView

_NOT_COUNTED = ("/admin/", "/static/")


class PageViews:
    """Writes a row for each page that a visitor is shown."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self._get_response(request)
        is_page = request.method == "GET" and response.status_code == 200
        if is_page and not request.path.startswith(_NOT_COUNTED):
            took_ms = (time.perf_counter() - began) * 1000
            PageView.objects.create(path=request.path[:200], visitor=visitor_of(request), took_ms=took_ms)
        return response


def visitor_of(request: HttpRequest) -> str:
    """Give a name for the visitor that is good for one day, and that nobody can be found by."""
    seen = (timezone.now().date(), request.META.get("REMOTE_ADDR"), request.META.get("HTTP_USER_AGENT"))
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]
