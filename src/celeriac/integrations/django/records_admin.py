"""What the admin's pages over Celeriac's records share: read-only, and worded when they cannot be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html

from celeriac.errors import CeleriacError


class RecordsAdmin(admin.ModelAdmin):
    """Pages of a model that has no table; nobody adds, changes or deletes by hand."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """What is on record was written by the recorder."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A letter is mended by `celeriac dead edit`, which keeps its original; a run is as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The recorder deletes when the plan says so."""
        return False

    def unavailable(self, request: HttpRequest, error: CeleriacError) -> HttpResponse:
        """Give the page that says why the records cannot be read."""
        title = str(self.model._meta.verbose_name_plural).capitalize()
        context = {**self.admin_site.each_context(request), "title": title, "error": str(error)}
        return TemplateResponse(request, "admin/celeriac/unavailable.html", context, status=503)


def block(text: str) -> str:
    """Show text as it is laid out, whatever is in it."""
    return str(format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text))
