"""The filter by time beside the admin's lists: spans up to now, and two moments to type."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import ListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.utils import timezone

from celeriac.integrations.django.showing import written

SINCE, UNTIL = "since", "until"
_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


class MomentFilter(ListFilter):
    """By a time. `after` and `before` are epoch seconds, None where nothing was said."""

    template = "admin/celeriac/moments.html"

    def __init__(self, request: Any, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        self.others: list[tuple[str, str]] = []
        self.span = self.used_parameters.get(SINCE)
        self.after = None if self.span in _SPANS else self._moment(SINCE)
        if self.span in _SPANS:
            self.after = (timezone.now() - _SPANS[self.span]).timestamp()
        self.before = self._moment(UNTIL)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str]:
        return [SINCE, UNTIL]

    def queryset(self, request: Any, queryset: Any) -> Any:
        return queryset

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Give the spans, and note what the form must carry along."""
        kept = {**changelist.params}
        self.others = [(name, value) for name, value in kept.items() if name not in (SINCE, UNTIL, "p")]
        none = self.after is None and self.before is None
        yield {
            "selected": none,
            "query_string": changelist.get_query_string(remove=[SINCE, UNTIL]),
            "display": "Any time",
        }
        for name in _SPANS:
            query = changelist.get_query_string({SINCE: name}, [UNTIL])
            yield {
                "selected": name == self.span and self.before is None,
                "query_string": query,
                "display": f"In the last {name}",
            }

    @property
    def shown(self) -> dict[str, str]:
        """The moments as a form's fields hold them."""
        moments = {SINCE: None if self.span in _SPANS else self.after, UNTIL: self.before}
        return {name: "" if at is None else as_typed(at) for name, at in moments.items()}

    def _moment(self, name: str) -> float | None:
        """Read "2026-11-20T18:47[:03[.250]]", in the site's time zone unless it names one."""
        text = self.used_parameters.get(name)
        if not text:
            return None
        try:
            read = datetime.fromisoformat(text)
            return (timezone.make_aware(read) if timezone.is_naive(read) else read).timestamp()
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(f"no time: {text}") from error


def as_typed(at: float) -> str:
    """Write epoch seconds as `MomentFilter` and a browser's field read them, to the millisecond."""
    return written(at, 3).replace(" ", "T")
