"""The reference page of the plan, docs/reference/plan.md, made from the types, their docstrings and the profiles.

python -m celeriac.plan.reference            write the page
python -m celeriac.plan.reference PATH       write it there
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from celeriac.plan import reference_prose as prose
from celeriac.plan.docs import docs_of
from celeriac.plan.kinds import Field, Kind, described, fields_of
from celeriac.plan.model import Plan
from celeriac.plan.places import HEAD
from celeriac.plan.profiles import profile_values
from celeriac.plan.schema import written
from celeriac.plan.tables.deploying import Deploy
from celeriac.plan.tables.logs import LogFile, Logs
from celeriac.plan.tables.observing import Alerts, Flower, Metrics, Sentry, Tracing
from celeriac.plan.tables.pools import Autoscale, Pool, ProfileName, Replicas, Resources
from celeriac.plan.tables.queues import Queue
from celeriac.plan.tables.records import Letters, Records
from celeriac.plan.tables.schedules import Beat, Schedule
from celeriac.plan.tables.security import Security, Sender
from celeriac.plan.tables.sending import Sending, Spool
from celeriac.plan.tables.tasks import Breaker, Policy, Retry, TaskResults
from celeriac.units import say_size

PAGE = Path("docs/reference/plan.md")

#: every struct that has tables of its own in a file -> how the table is headed
_TABLES: dict[type[msgspec.Struct], str] = {
    Queue: "[queues.NAME]",
    Pool: "[pools.NAME]",
    Autoscale: "[pools.NAME.autoscale]",
    Replicas: "[pools.NAME.replicas]",
    Resources: "[pools.NAME.resources]",
    Policy: '[tasks."GLOB"]',
    Retry: '[tasks."GLOB".retry]',
    Breaker: '[tasks."GLOB".breaker]',
    TaskResults: '[tasks."GLOB".results]',
    Schedule: "[schedules.NAME]",
    Sending: "[sending]",
    Spool: "[sending.spool]",
    Security: "[security]",
    Sender: "[security.senders.NAME]",
    Letters: "[letters]",
    Records: "[records]",
    Metrics: "[metrics]",
    Flower: "[flower] and [flowers.NAME]",
    Logs: "[logs]",
    LogFile: "[logs.files.NAME]",
    Tracing: "[tracing]",
    Sentry: "[sentry]",
    Beat: "[beat]",
    Deploy: "[deploy]",
    Alerts: "[alerts]",
}


def page() -> str:
    """Write the page."""
    head = {name: field for name, field in fields_of(Plan).items() if name in HEAD}
    parts = [
        prose.HEAD.format(example=f"```toml\n{prose.EXAMPLE}```"),
        _section("[celeriac]", "", docs_of(Plan).fields, head),
    ]
    for struct, heading in _TABLES.items():
        docs = docs_of(struct)
        parts.append(_section(heading, docs.promise, docs.fields, fields_of(struct)))
    parts.append(prose.TAIL.format(profiles=_profiles()))
    return "\n".join(parts)


def _section(heading: str, promise: str, texts: dict[str, str], fields: dict[str, Field]) -> str:
    lines = [f"## `{heading}`", ""]
    if promise:
        lines += [_cell(promise), ""]
    lines += ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        lines.append(
            f"| `{name}` | {_takes(field.kind)} | {_default(field)} | {_cell(texts.get(name, ''))} |"
        )
    return "\n".join([*lines, ""])


def _takes(kind: Kind) -> str:
    if kind.base == "table" and kind.struct in _TABLES:
        return "a table, below"
    return _cell(described(kind) + (", below" if kind.base == "number" and kind.struct else ""))


def _default(field: Field) -> str:
    if field.required:
        return "required"
    default = written(field.kind, field.default)
    if default in (None, "", [], {}):
        return ""
    return f"`{_toml(default)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)


def _profiles() -> str:
    columns = ("executor", "concurrency", "prefetch", "max_tasks_per_child", "max_memory_per_child")
    lines = [f"| profile | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for profile in get_args(ProfileName):
        lines.append(f"| `{profile}` | {' | '.join(_profile_cells(profile, columns))} |")
    return "\n".join(lines)


def _profile_cells(profile: ProfileName, columns: tuple[str, ...]) -> Iterator[str]:
    values = profile_values(profile)
    for column in columns:
        value = values.get(column)
        if value is None:
            yield "–"
        elif column == "max_memory_per_child":
            yield f"`{say_size(value)}`"
        elif (profile, column) == ("cpu", "concurrency"):
            yield "one per CPU"
        else:
            yield f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> None:
    """Write the page to the path in `arguments`, else where it belongs in the repository."""
    target = Path(arguments[0]) if arguments else PAGE
    target.write_text(page())


if __name__ == "__main__":
    main(sys.argv[1:])
