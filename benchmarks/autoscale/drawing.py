"""A day drawn as plain SVG: for each rule its slots, and beside them what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.autoscale.arrivals import Day
from benchmarks.autoscale.simulation import Outcome

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 900, 90, 190, 46, 22


def draw(day: Day, outcomes: Mapping[str, Outcome], hours: float) -> str:
    """Draw the first `hours` of a day, a band for each rule: slots blue, what waits grey, each to its own scale."""
    end = hours * 3600
    most_waiting = max([n for it in outcomes.values() for at, n in it.waiting if at <= end], default=1) or 1
    height = _TOP + (_HEIGHT + _GAP) * len(outcomes) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 20} {height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-size="15">{escape(day.name)}: {escape(day.says)}</text>',
        f'<text x="10" y="35" fill="#555">blue: slots, {day.least} to {day.most}; '
        f"grey: messages that wait, up to {most_waiting}</text>",
    ]
    for number, (name, outcome) in enumerate(outcomes.items()):
        top = _TOP + (_HEIGHT + _GAP) * number
        figures = outcome.figures()
        parts += [
            f'<text x="10" y="{top + 20}">{escape(name)}</text>',
            f'<text x="10" y="{top + 38}" fill="#555">{figures["late_percent"]:g}% late</text>',
            f'<text x="10" y="{top + 54}" fill="#555">{figures["slot_hours"]:g} slot-hours</text>',
            f'<text x="10" y="{top + 70}" fill="#555">{figures["changes"]} changes</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" fill="#f6f6f6"/>',
            _line(outcome.waiting, end, most_waiting, top, "#999", 1.0),
            _line(outcome.slots, end, day.most, top, "#1f6fb4", 1.6),
        ]
    parts.append(f'<text x="{_LEFT}" y="{height - 8}" fill="#555">0 h</text>')
    parts.append(
        f'<text x="{_LEFT + _WIDTH}" y="{height - 8}" fill="#555" text-anchor="end">{hours:g} h</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _line(
    steps: Sequence[tuple[float, int]], end: float, most: float, top: float, colour: str, wide: float
) -> str:
    def y(value: float) -> float:
        return top + _HEIGHT * (1 - 0.95 * value / most)

    tallest: dict[int, int] = {}
    for at, value in steps:
        if at <= end:
            # One step a pixel at most: its greatest.
            pixel = round(_LEFT + _WIDTH * at / end)
            tallest[pixel] = max(tallest.get(pixel, 0), value)
    path, level = "", None
    for pixel, value in tallest.items():
        if value != level:
            path += f"H{pixel}V{y(value):.1f}" if path else f"M{pixel} {y(value):.1f}"
            level = value
    return f'<path d="{path}H{_LEFT + _WIDTH}" fill="none" stroke="{colour}" stroke-width="{wide}"/>'
