"""How a task's outcome and what follows from it are put on record, in an order that a worker's death cannot break."""

from __future__ import annotations

from typing import Any

from celery import states
from celery.backends.base import Backend

from celeriac.backends.order import Run, Standing, run_of
from celeriac.events import emit


class Outcomes(Backend):
    """The part of a backend that takes in how tasks end."""

    def standing(self, task_id: str, run: Run) -> Standing:
        """Say whether a write of this run would stand."""
        raise NotImplementedError

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Take in the part of a success in its chord, then put the success on record.

        The worker may die in between. Celery takes a SUCCESS on record for the end of a task and acks its
        message, so a part that came after it could be missing for ever. This way round the task is run once
        more, and its part counts once.
        """
        if request and request.chord:
            self.on_chord_part_return(request, state, result)
        if store_result and not (request and request.ignore_result):
            self.store_result(task_id, result, state, request=request)

    def mark_as_failure(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Any = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """Put a failure on record and hand it on to chord, chain and errbacks.

        Where the failure may not stand, neither may its consequences: a run that was overtaken leaves chain
        and errbacks to the run that did it, and after a success the chain has gone on long ago.
        """
        standing = self._ensure_retryable(self.standing, task_id, run_of(task_id, request))
        if standing is Standing.OPEN:
            super().mark_as_failure(task_id, exc, traceback, request, store_result, call_errbacks, state)
        elif standing is Standing.SUCCEEDED:
            # Another backend of ours, or an older release, may have stored the result before the part.
            if request and request.chord:
                self.on_chord_part_return(request, state, exc)
        else:
            emit("backends", "results.late_write_refused", task_id=task_id, state=state)
