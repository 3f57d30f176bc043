"""Chords in Celery's terms: parts come in, the body goes out."""

from __future__ import annotations

from typing import Any

from celery import states
from celery.backends.base import Backend
from celery.canvas import Signature, maybe_signature
from celery.exceptions import ChordError
from celery.result import GroupResult, result_from_tuple
from kombu.exceptions import OperationalError

from celeriac.backends.body import marked_once
from celeriac.backends.chords import Part, Step
from celeriac.backends.order import run_of
from celeriac.events import emit

_LAST_POSITION = 2**31


class Fires(Backend):
    """The part of a backend that fires chords."""

    chords: Any  # a `Chords`, which each backend makes for itself

    @property
    def keep_chords_s(self) -> float | None:
        """How long an unfinished chord is kept after its last news; None: until it has fired."""
        chord_expires = self.app.conf.get("result_chord_expires")
        return None if chord_expires is None else self.prepare_expires(chord_expires) or None

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Say how many parts the chord has; Celery calls it before it sends the last of them."""
        self._ensure_retryable(self.chords.expect, group_id, chord_size)

    def add_to_chord(self, chord_id: str, result: Any) -> None:
        """Expect one part more."""
        self._ensure_retryable(self.chords.expect_one_more, chord_id)

    def apply_chord(self, header_result_args: tuple[Any, ...], body: Any, **_: Any) -> None:
        """Keep the shape of the header if it nests; the parts themselves come in one by one."""
        if not isinstance(header_result_args[1], list | tuple):
            return  # a header made as it is sent; reading it here would exhaust it, and it is flat
        header = self.app.GroupResult(*header_result_args)
        if any(isinstance(member, GroupResult) for member in header.results):
            payload = self.encode({"result": header.as_tuple()})
            self._ensure_retryable(self.chords.keep_header, header.id, payload)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        """Take in the outcome of one part; fire, mend or fail the chord if it was the last one missing.

        Raises: kombu.exceptions.OperationalError if the broker does not take the body now: the part is not
            done
            then, and its redelivery fires the chord.
        """
        if not request.group or not request.id:
            return
        failed = state in states.PROPAGATE_STATES
        part = Part(
            group_id=request.group,
            task_id=request.id,
            position=_LAST_POSITION if request.group_index is None else request.group_index,
            failed=failed,
            payload=self.encode({"status": state, "result": self.encode_result(result, state)}),
            run=run_of(request.id, request),
        )
        step: Step = self._ensure_retryable(self.chords.arrive, part)
        if step is Step.WAIT:
            return
        body = maybe_signature(request.chord, app=self.app)
        if step is Step.FAIL:
            self._fail_chord(request.group, body, self._first_failure(request.group))
            return
        self._fire_chord(request.group, body)
        if step is Step.MEND:
            emit("backends", "chord.mended", group_id=request.group)

    def _fire_chord(self, group_id: str, body: Signature) -> None:
        try:
            marked_once(body, group_id).delay(self._joined(group_id))
        except OperationalError:
            raise
        except Exception as error:
            # Nothing that a redelivery could change: the body cannot be read, encoded or routed.
            failure = ChordError(f"Callback error: {error!r}")
            failure.__cause__ = error
            self._fail_chord(group_id, body, failure)
            return
        self._ensure_retryable(self.chords.mark_fired, group_id)

    def _fail_chord(self, group_id: str, body: Signature, failure: ChordError) -> None:
        emit("backends", "chord.failed", group_id=group_id, error=failure)
        try:
            raise failure  # Celery takes the traceback of the exception being handled
        except ChordError:
            self.chord_error_from_stack(body, failure)
        self._ensure_retryable(self.chords.mark_failed, group_id)

    def _joined(self, group_id: str) -> list[Any]:
        """Give what the parts returned, in the shape of the header."""
        parts = self._ensure_retryable(self.chords.parts, group_id)
        values = [(task_id, self.decode_result(payload)["result"]) for task_id, _, payload in parts]
        header = self._ensure_retryable(self.chords.header, group_id)
        if header is None:
            return [value for _, value in values]
        by_id = dict(values)

        def shaped(member: Any) -> Any:
            if isinstance(member, GroupResult):
                return [shaped(each) for each in member]
            return by_id[member.id] if member.id in by_id else self.get_result(member.id)

        return [shaped(member) for member in self._group_from(header)]

    def _first_failure(self, group_id: str) -> ChordError:
        for task_id, failed, payload in self._ensure_retryable(self.chords.parts, group_id):
            if failed:
                cause = self.decode_result(payload)["result"]
                failure = ChordError(f"Dependency {task_id} raised {cause!r}")
                failure.__cause__ = cause
                return failure
        return ChordError(f"A part of chord {group_id} failed")

    def _group_from(self, payload: bytes | str) -> GroupResult:
        return result_from_tuple(self.decode(payload)["result"], self.app)
