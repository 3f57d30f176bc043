"""How values from messages are shown in the admin: whatever is in them, in as much room as they are given.

Everything here gives text that is escaped, or that Django escapes when it shows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime

#: as much of a text as a page carries
_TEXT_CHARS_MAX = 64 * 1024
#: as much of an id as people read
ID_CHARS = 8
#: of a text in one line, and of what is said when it is pointed at
_LINE_CHARS_MAX, _TITLE_CHARS_MAX = 200, 1000


def clean(text: str) -> str:
    """Spell out what UTF-8 cannot say: a lone surrogate, which JSON may hold."""
    return text.encode("utf-8", "backslashreplace").decode()


def block(text: str) -> str:
    """Show text as it is laid out; of a very long one the beginning, and how much is left out."""
    text = clean(text)
    left_out = len(text) - _TEXT_CHARS_MAX
    shown = format_html('<pre class="celeriac-text" tabindex="0">{}</pre>', text[:_TEXT_CHARS_MAX])
    if left_out <= 0:
        return str(shown)
    return str(format_html("{}<p>… and {} characters more.</p>", shown, f"{left_out:,}"))


def clipped(text: str) -> str:
    """Show text in one line of bounded width, more of it when pointed at."""
    return str(
        format_html(
            '<span class="celeriac-clip" title="{}">{}</span>',
            clean(text[:_TITLE_CHARS_MAX]),
            clean(text[:_LINE_CHARS_MAX]),
        )
    )


def call_line(task: str, error: str) -> str:
    """Show a task with what it raised below."""
    below = format_html('<span class="celeriac-error">{}</span>', clipped(error)) if error else ""
    return str(format_html('<div class="celeriac-call">{}{}</div>', clipped(task or "-"), below))


def two_lines(text: str, below: str) -> str:
    """Show text, and a smaller one below."""
    return str(format_html('{}<div class="celeriac-below">{}</div>', text, below))


def moment(at: float | None) -> str:
    """Show epoch seconds in the site's time zone, to the second."""
    if at is None:
        return "-"
    day, time = written(at).split(" ")
    return two_lines(format_html('<span class="celeriac-moment">{}</span>', day), time)


def written(at: float, digits: int = 0) -> str:
    """Write epoch seconds in the site's time zone; digits: of a second, at most 6."""
    local = localtime(datetime.fromtimestamp(at, UTC))
    fraction = f".{local.microsecond:06}"[: digits + 1] if digits else ""
    return f"{local:%Y-%m-%d %H:%M:%S}{fraction}"


def linked(url: str | None, text: str) -> str:
    """Show text as a link, or as itself where there is nothing to go to."""
    text = clean(text)
    return text if url is None else str(format_html('<a href="{}">{}</a>', url, text))


def listed(items: Iterable[str]) -> str:
    """Show things of this module below each other."""
    rows = format_html_join("", "<li>{}</li>", ((each,) for each in items))
    return str(format_html('<ul class="celeriac-list">{}</ul>', rows)) if rows else "-"
