"""Chords in two hashes each; what their states mean is told in `celeriac.backends.chords`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celeriac.backends.chords import Part, Payload, Step, next_step
from celeriac.backends.redis.scripts import ARRIVE, FIRED, NOTE
from celeriac.backends.redis.store import Store


class RedisChords:
    """The chords of one server.

    keys_of: gives the keys of a task's result and of its run.
    keep_s: how long an unfinished chord is kept after its last news; None: until it has fired, since a dead letter may
        be replayed at any time.
    keep_fired_s: how long a fired chord is remembered, so that a late copy of a part changes nothing; None: for good.
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        keys_of: Callable[[str], tuple[str, str]],
        *,
        keep_s: float | None,
        keep_fired_s: float | None,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._keys_of = keys_of
        self._keep_ms = round((keep_s or 0) * 1000)
        self._keep_fired_ms = round((keep_fired_s or 0) * 1000)

    def expect(self, group_id: str, size: int) -> None:
        """Say how many parts the chord was sent with."""
        self._note(group_id, "set", "size", size)

    def expect_one_more(self, group_id: str) -> None:
        """Say that one of the parts has added another."""
        self._note(group_id, "add", "added", 1)

    def keep_header(self, group_id: str, payload: Payload) -> None:
        """Keep the shape of a header that holds groups in groups."""
        self._note(group_id, "set", "header", payload)

    def arrive(self, part: Part) -> Step:
        """Put a part's outcome on record and say what is to be done now."""
        size, added, arrived, failed, state = self._store.run(
            ARRIVE,
            [*self._keys(part.group_id), *self._keys_of(part.task_id)],
            [
                f"{part.position}:{part.task_id}",
                int(part.failed),
                part.payload,
                self._keep_ms,
                part.run.line or "",
                *(part.run.generation or 0, part.run.retries or 0, part.run.deliveries or 0),
            ],
        )
        return next_step(int(size) + added if size else None, arrived, failed, state.decode())

    def parts(self, group_id: str) -> list[tuple[str, bool, Payload]]:
        """Give task id, whether it failed, and payload of every part that is in, in the header's order."""
        found: dict[bytes, bytes] = self._store.client.hgetall(self._keys(group_id)[1])
        named = [(name.decode().partition(":"), said) for name, said in found.items()]
        named.sort(key=lambda each: int(each[0][0]))
        return [(task_id, said[:1] == b"1", said[1:]) for (_, _, task_id), said in named]

    def header(self, group_id: str) -> Payload | None:
        """Give the header's shape, if it was kept."""
        found: bytes | None = self._store.client.hget(self._keys(group_id)[0], "header")
        return found

    def mark_fired(self, group_id: str) -> None:
        """Write down that the body is published; the parts are not needed any more."""
        self._store.run(FIRED, self._keys(group_id), [self._keep_fired_ms])

    def mark_failed(self, group_id: str) -> None:
        """Write down that the errbacks are called; the parts stay, for a replay may mend the chord."""
        self._note(group_id, "set", "state", "failed")

    def _note(self, group_id: str, how: str, field: str, value: Any) -> None:
        self._store.run(NOTE, self._keys(group_id), [how, field, value, self._keep_ms])

    def _keys(self, group_id: str) -> tuple[str, str]:
        key = f"{self._prefix}celeriac:chord:{{{group_id}}}"
        return key, f"{key}:parts"
