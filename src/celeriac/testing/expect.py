"""What a test expects to have been sent, retried or dead-lettered, with what there was instead when it was not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

import msgspec
from kombu.utils import json

from celeriac.testing.waiting import until

Entry = TypeVar("Entry")
_SHOWN_MAX = 20
_VALUE_CHARS = 200


class Expect(Generic[Entry]):
    """Assertions over what happened so far.

    A task is a Celery task, its name, or a glob over names. Other expectations are fields of an entry, compared with
    `==` after a trip through JSON (`args=(1, 2)` is `args=[1, 2]`); `exception` may be a class, or the end of its name.
    within: seconds to wait until it holds. Inline it holds at once, or never.
    """

    def __init__(self, verb: str, read: Callable[[], list[Entry]], within: float) -> None:
        self._verb = verb
        self._read = read
        self._within = within

    def all(self, task: Any = None, **expected: Any) -> list[Entry]:
        """Give what matches by now, in order; nothing is asserted."""
        return [entry for entry in self._read() if _matches(entry, task, expected)]

    def one(self, task: Any = None, *, within: float | None = None, **expected: Any) -> Entry:
        """Assert that exactly one matches, and give it."""
        return self.times(1, task, within=within, **expected)[0]

    def times(
        self, count: int, task: Any = None, *, within: float | None = None, **expected: Any
    ) -> list[Entry]:
        """Assert that exactly `count` match, and give them."""
        __tracebackhide__ = True
        patience = self._within if within is None else within
        until(lambda: len(self.all(task, **expected)) >= count, patience if count else 0)
        found = self.all(task, **expected)
        if len(found) != count:
            raise AssertionError(self._report(count, len(found), task, expected))
        return found

    def none(self, task: Any = None, **expected: Any) -> None:
        """Assert that none matches by now."""
        __tracebackhide__ = True
        self.times(0, task, **expected)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _report(self, wanted: int, found: int, task: Any, expected: dict[str, Any]) -> str:
        what = ", ".join(
            [_name(task) or "any task", *(f"{key}={value!r}" for key, value in expected.items())]
        )
        entries = self._read()
        lines = [f"expected {wanted} {self._verb}, found {found}: {what}"]
        lines.append(f"{self._verb} were {len(entries)}:" if entries else f"nothing was {self._verb}")
        for entry in entries[:_SHOWN_MAX]:
            missed = [key for key, value in expected.items() if not _holds(entry, key, value)]
            is_other = task is not None and not _is_of(entry, task)
            why = "" if is_other or not missed else f"   <- differs in {', '.join(missed)}"
            lines.append(f"  {_said(entry)}{why}")
        if len(entries) > _SHOWN_MAX:
            lines.append(f"  … and {len(entries) - _SHOWN_MAX} more")
        return "\n".join(lines)


def _matches(entry: Any, task: Any, expected: dict[str, Any]) -> bool:
    return (task is None or _is_of(entry, task)) and all(_holds(entry, *each) for each in expected.items())


def _is_of(entry: Any, task: Any) -> bool:
    return fnmatchcase(entry.task or "", _name(task))


def _name(task: Any) -> str:
    return "" if task is None else str(getattr(task, "name", task))


def _holds(entry: Any, key: str, wanted: Any) -> bool:
    if key not in entry.__struct_fields__:
        raise TypeError(f'"{key}" is no field; known: {", ".join(entry.__struct_fields__)}')
    value = getattr(entry, key)
    if key == "exception":
        name = f"{wanted.__module__}.{wanted.__qualname__}" if isinstance(wanted, type) else str(wanted)
        return bool(value == name or str(value).endswith(f".{name}"))
    return bool(value == _through_json(wanted))


def _through_json(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return value


def _said(entry: Any) -> str:
    values = msgspec.structs.asdict(entry)
    shown = {key: value for key, value in values.items() if value not in (None, [], {}) and key not in _LONG}
    said: Sequence[str] = [f"{key}={value!r}"[:_VALUE_CHARS] for key, value in shown.items() if key != "task"]
    return f"{values['task']} {' '.join(said)}"


#: fields too long for a line
_LONG = frozenset({"traceback", "letter"})
