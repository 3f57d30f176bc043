"""What is drawn fits the terminal, whatever its width, and says the same without colour or Unicode."""

import io

import pytest
from rich.console import Console

from celeriac.tutorial.figures import QueueFigure
from celeriac.tutorial.screen import Screen

FIGURES = [
    QueueFigure("light", 3, 1, 2),
    QueueFigure("a-queue-with-a-very-long-name-indeed", 12345, None, None),
]


def drawn(width: int, **options: object) -> str:
    paper = io.StringIO()
    screen = Screen(Console(file=paper, width=width, highlight=False, **options))
    screen.head("Celeriac in ten minutes")
    screen.step(3, 10, "Workers, one by one, and a title that is longer than a narrow terminal")
    screen.say("A long text that does not fit into one line of a narrow terminal, so it is folded at words.")
    screen.typed('celeriac dead edit 12345678 --args \'[["9.99", "12.50"]]\' and so on and so forth')
    screen.told("celeriac runs", ["a line that is very long and is cut off where the terminal ends, at last"])
    screen.look("the numbers in the columns")
    screen.queues(FIGURES)
    screen.held("a claim with figures, long enough to be folded: 48 tasks ended well")
    screen.failed("a claim that does not hold")
    screen.end("Go on.")
    return paper.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    assert max(map(len, drawn(width).splitlines())) <= width


@pytest.mark.parametrize("width", [40, 80])
def test_every_number_stays_readable(width):
    text = drawn(width)
    line = next(line for line in text.splitlines() if "a-que" in line)
    assert line.split()[-3:] == ["12345", "?", "?"]


def test_without_unicode_plain_letters_do():
    text = drawn(80, legacy_windows=False, _environ={"TERM": "dumb"})
    paper = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    screen = Screen(Console(file=paper, width=80))
    screen.queues(FIGURES)
    screen.held("it holds")
    paper.seek(0)
    plain = paper.read()
    assert "#" in plain
    assert "ok it holds" in plain
    assert "█" in text


def test_moving_queues_are_told_in_few_lines_where_nothing_can_be_drawn(monkeypatch):
    paper = io.StringIO()
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Screen(Console(file=paper, width=80)).moving() as drawing:
        for ready in range(500):
            now[0] += 0.1
            drawing.show([QueueFigure("light", ready, 0, 1)])
    lines = paper.getvalue().splitlines()
    assert 3 <= len(lines) <= 12
    assert "light 0 waiting" in lines[0]
