"""What the admin's pages over Celeriac's records share: read-only, and worded when they cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from celeriac.errors import CeleriacError


class RecordsList(ChangeList):
    """A list page, read from the records instead of a Django table."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Give the rows that the filters and the search mean."""
        self.filter_specs, self.has_filters, _, _, self.has_active_filters = self.get_filters(request)
        self.clear_all_filters_qs = self.get_query_string(remove=self.get_filters_params())
        return self.found()

    def found(self) -> Any:
        """Give the rows that `filter_specs` and `query` mean."""
        raise NotImplementedError

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        super().get_results(request)
        self.show_admin_actions = self.result_count > 0
        if not self.query and not self.has_active_filters:
            # Else the search box offers to show all where all are shown.
            self.full_result_count = self.result_count


class RecordsAdmin(admin.ModelAdmin):
    """Pages of a model that has no table; nobody adds, changes or deletes by hand."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    change_list_template = "admin/celeriac/change_list.html"

    class Media:
        css = {"all": ("celeriac/admin.css",)}  # noqa: RUF012 - Django's spelling

    def has_add_permission(self, request: HttpRequest) -> bool:
        """What is on record was written by the recorder."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A letter is mended by `celeriac dead edit`, which keeps its original; a run is as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The recorder deletes when the plan says so."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list."""
        context = {"title": self._plural(), **(extra_context or {})}
        return self._worded(request, lambda: super(RecordsAdmin, self).changelist_view(request, context))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one."""
        context = {"title": str(self.opts.verbose_name).capitalize(), **(extra_context or {})}
        return self._worded(
            request, lambda: super(RecordsAdmin, self).change_view(request, object_id, form_url, context)
        )

    def _worded(self, request: HttpRequest, page: Callable[[], HttpResponse]) -> HttpResponse:
        """Give a page, or the one that says why the records cannot be read."""
        try:
            return page()
        except CeleriacError as error:
            context = {
                **self.admin_site.each_context(request),
                "title": self._plural(),
                "error": str(error),
                "media": self.media,
            }
            return TemplateResponse(request, "admin/celeriac/unavailable.html", context, status=503)

    def _plural(self) -> str:
        return str(self.opts.verbose_name_plural).capitalize()
