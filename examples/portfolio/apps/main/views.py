"""The pages of the site."""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from apps.main import analytics, backups
from apps.main.forms import ContactForm
from apps.main.middleware import visitor_of
from apps.main.models import HealthReport, Project, UserAction
from apps.main.tasks import process_user_action, send_notification


def home(request: HttpRequest) -> HttpResponse:
    """List the projects."""
    return render(request, "main/home.html", {"projects": Project.objects.all()})


def project(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one project."""
    return render(request, "main/project.html", {"project": get_object_or_404(Project, slug=slug)})


@require_POST
def like(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a visitor's like, or take it back; a task counts."""
    liked = get_object_or_404(Project, slug=slug)
    visitor = visitor_of(request)
    said = UserAction.objects.filter(project=liked, visitor=visitor).order_by("done_at", "pk").last()
    kind = UserAction.Kind.UNLIKE if said and said.kind == UserAction.Kind.LIKE else UserAction.Kind.LIKE
    action = UserAction.objects.create(kind=kind, visitor=visitor, project=liked)
    process_user_action.delay_on_commit(action.pk)
    messages.success(request, "Thank you!" if kind == UserAction.Kind.LIKE else "Taken back.")
    return redirect(liked)


def contact(request: HttpRequest) -> HttpResponse:
    """Take a message; a task sends the mails."""
    form = ContactForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        message = form.save()
        send_notification.delay_on_commit(message.pk)
        messages.success(request, "Your message has arrived; look into your mail.")
        return redirect("contact")
    return render(request, "main/contact.html", {"form": form})


def status(request: HttpRequest) -> HttpResponse:
    """Show what the tasks have found out: health, today's figures, reports and backups."""
    found = {
        "health": HealthReport.objects.first(),
        "today": cache.get(analytics.TODAY),
        "reports": _names(settings.REPORTS_DIR.glob("*.html")),
        "backups": _names(backups.kept()),
    }
    return render(request, "main/status.html", found)


def _names(paths: Iterable[Path]) -> list[str]:
    return sorted((path.name for path in paths), reverse=True)[:7]
