"""The plot of a run, as plain SVG: for each figure one panel, in it a bar for each system."""

from __future__ import annotations

from html import escape

from benchmarks.report import Medians
from benchmarks.systems import STOCK, SYSTEMS, System

#: figure → its heading
PANELS = {
    "end_to_end": "end to end, one call a task",
    "end_to_end_bulk": "end to end, sent in bulk",
    "drain": "drain of what waits",
    "naps": "naps of 50 ms",
}
_LEFT, _BAR, _GAP, _WIDTH, _TOP, _SIDE = 240, 15, 5, 330, 84, 30
_OURS, _OTHERS, _STOCK = "#1f6fb4", "#9aa7b1", "#5b6b76"


def draw(middle: Medians, about: str) -> str:
    """Draw the medians with results stored, two panels a row.

    about: what the figures were taken on, in one line.
    """
    figures = middle.get("stored", {})
    systems = [system for system in SYSTEMS if system.name in figures]
    panel_height = len(systems) * (_BAR + _GAP) + 44
    width = 2 * (_LEFT + _WIDTH + _SIDE)
    height = _TOP + 2 * panel_height + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="14" y="26" font-size="17">Tasks a second on Redis, results stored</text>',
        f'<text x="14" y="46" fill="#555">{escape(about)}</text>',
        '<text x="14" y="63" fill="#555">† may lose tasks when a worker is killed; × of stock Celery, prefork</text>',
    ]
    for place, (figure, heading) in enumerate(PANELS.items()):
        left = (place % 2) * (_LEFT + _WIDTH + _SIDE)
        top = _TOP + (place // 2) * panel_height
        parts.append(f'<text x="{left + 14}" y="{top + 18}" font-size="14">{escape(heading)}</text>')
        parts += _panel(figures, systems, figure, left, top + 28)
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    figures: dict[str, dict[str, float]], systems: list[System], figure: str, left: int, top: int
) -> list[str]:
    longest = max((figures[each.name].get(figure, 0.0) for each in systems), default=0.0) or 1.0
    stock = figures.get(STOCK.name, {}).get(figure)
    parts = []
    for row, system in enumerate(systems):
        y = top + row * (_BAR + _GAP)
        name = system.name + (" †" if system.loses else "")
        parts.append(
            f'<text x="{left + _LEFT - 8}" y="{y + _BAR - 3}" text-anchor="end">{escape(name)}</text>'
        )
        value = figures[system.name].get(figure)
        if value is None:
            parts.append(f'<text x="{left + _LEFT}" y="{y + _BAR - 3}" fill="#999">not made for it</text>')
            continue
        colour = _OURS if system.is_ours else _STOCK if system is STOCK else _OTHERS
        # Room for the figure behind the longest bar.
        wide = max(1.0, (_WIDTH - 90) * value / longest)
        times = f" ({value / stock:.1f}×)" if stock else ""
        parts += [
            f'<rect x="{left + _LEFT}" y="{y}" width="{wide:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{left + _LEFT + wide + 5:.1f}" y="{y + _BAR - 3}">{value:,.0f}{times}</text>',
        ]
    return parts
