"""The reference pages of metrics and events, made from their tables.

python -m celeriac.observe.reference            write docs/reference/metrics.md and docs/reference/events.md
python -m celeriac.observe.reference FOLDER     write them there
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from celeriac.events import VOCABULARY
from celeriac.observe.metrics.names import BYTES, COUNTED, DERIVED, READ, SECONDS, Family

FOLDER = Path("docs/reference")

METRICS_HEAD = """\
# Metrics

What `celeriac metrics` serves at `/metrics`, where the plan has a table `[metrics]`; see
[Watch with Prometheus](../how-to/metrics.md). This page is written from the source by `make docs`.

A task's name is a label if the process's app defines it; of others the first {undefined} a process sends, and
of all names the first {names} a host sees; the rest is counted as `other`. A queue that the app does not declare
is `other`. No label ever holds a task's id.

Histograms of seconds have the buckets {seconds}; those of bytes
{bytes}.
"""

EVENTS_HEAD = """\
# Events

Everything that Celeriac's processes say of themselves, under one name everywhere: in log records (`event`, with its
values in `fields`), in the metric `celeriac_events_total{event}`, and in this table. Words in braces stand for the
fields. Loggers are `celeriac.` and the part of Celeriac that speaks. This page is written from the source by
`make docs`.

| event | level | says |
|---|---|---|
"""


def metrics_page() -> str:
    """Write the page of metrics."""
    from celeriac.observe.metrics.tally import UNDEFINED_NAMES_MAX  # noqa: PLC0415 - the page alone needs it
    from celeriac.observe.samples.shelf import NAMES_MAX  # noqa: PLC0415

    head = METRICS_HEAD.format(
        undefined=UNDEFINED_NAMES_MAX,
        names=NAMES_MAX,
        seconds=", ".join(f"{bound:g}" for bound in SECONDS),
        bytes=", ".join(f"{bound:.0f}" for bound in BYTES),
    )
    parts = [head]
    for heading, families in (
        ("Counted by every process that sends or runs tasks", COUNTED),
        ("Read at the moment of a scrape", READ),
        ("Names known from Celery's tutorials, worked out from the same counts", DERIVED),
    ):
        parts += [f"\n## {heading}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n"]
        parts += [_row(family) for family in families]
    return "".join(parts)


def events_page() -> str:
    """Write the page of events."""
    rows = [
        f"| `{event}` | {logging.getLevelName(level)} | {_cell(sentence)} |\n"
        for event, (level, sentence) in sorted(VOCABULARY.items())
    ]
    return EVENTS_HEAD + "".join(rows)


def _row(family: Family) -> str:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{name}` | {family.kind} | {labels} | {_cell(family.says)} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> None:
    """Write both pages into the folder in `arguments`, else where they belong in the repository."""
    folder = Path(arguments[0]) if arguments else FOLDER
    (folder / "metrics.md").write_text(metrics_page())
    (folder / "events.md").write_text(events_page())


if __name__ == "__main__":
    main(sys.argv[1:])
