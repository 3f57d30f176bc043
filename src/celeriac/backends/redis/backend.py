"""Celery's result backend on Redis, with writes that are gathered and fenced."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from celery import states
from celery.backends import redis as stock
from celery.result import GroupResult, ResultSet
from kombu.utils.encoding import bytes_to_str

from celeriac.backends.firing import Fires
from celeriac.backends.gathering import GATHERED, Write
from celeriac.backends.keeping import Keeps
from celeriac.backends.order import Run, Standing, run_of
from celeriac.backends.outcomes import Outcomes
from celeriac.backends.redis.chords import RedisChords
from celeriac.backends.redis.listening import ResultConsumer
from celeriac.backends.redis.scripts import WRITE
from celeriac.backends.redis.store import Store, told
from celeriac.backends.waiters import FewWaiters
from celeriac.backends.waiting import ids_before
from celeriac.errors import ResultsUnavailable
from celeriac.events import emit
from celeriac.stores.redis_sentinels import asked_once

#: how long the server may take to accept a connection, and to answer, unless Celery's settings say otherwise; seconds
_DEADLINE_S = 5.0
#: how a payload in JSON begins: the scripts read its state there
_EVIDENT = b'{"status": "'
_VERDICTS = (Standing.OVERTAKEN, Standing.OPEN, Standing.SUCCEEDED)


class RedisBackend(Keeps, Outcomes, Fires, FewWaiters, stock.RedisBackend):
    """Keeps results, groups and chords on the server of `redis://…`, results where stock Celery looks for them.

    Results expire after `result_expires` (failures after `result_failure_expires`). An unfinished chord is kept until
    it fires, or for `result_chord_expires` after its last news where that is set.

    Raises, from every method that asks the server: ResultsError. Where trying again may help (ResultsUnavailable) it
    is tried again, as `result_backend_always_retry` and its companions say; by default 10 times over about 10 s.
    """

    ResultConsumer = ResultConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.be_patient()
        for setting, parameter in (
            ("redis_socket_timeout", "socket_timeout"),
            ("redis_socket_connect_timeout", "socket_connect_timeout"),
        ):
            if not self.app.conf.value_set_for(setting) and parameter in self.connparams:
                self.connparams[parameter] = _DEADLINE_S
        prefix = bytes_to_str(self.task_keyprefix).removesuffix("celery-task-meta-")
        self._prefix = prefix
        self.store = Store(lambda: self.client)

    @cached_property
    def chords(self) -> RedisChords:
        """The chords of the server."""
        return RedisChords(
            self.store,
            self._prefix,
            self._keys_of,
            keep_s=self.keep_chords_s,
            keep_fired_s=self.keep_chords_s or self.expires or None,
        )

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Say whether the same call may work in a moment."""
        return isinstance(exc, ResultsUnavailable) or bool(super().exception_safe_to_retry(exc))

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Subscribe to nothing yet: whoever waits for a result asks for it first, and subscribes then."""

    # -- one result

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        task_id = bytes_to_str(task_id)
        raw, keep_s = self.kept(task_id, result, state, traceback, request)
        key, run_key = self._keys_of(task_id)
        run = run_of(task_id, request)
        arguments = (
            raw,
            round((keep_s or 0) * 1000),
            state,
            int(raw.startswith(_EVIDENT)),
            run.line or "",
            *(run.generation or 0, run.retries or 0, run.deliveries or 0),
        )
        GATHERED.put(Write(self.url or "", self._write, task_id, state, (key, run_key), arguments))
        return result

    def _write(self, writes: list[Write]) -> None:
        """Write results in one step, in their order."""
        keys = [key for write in writes for key in write.keys]
        verdicts = self.store.run(WRITE, keys, [each for write in writes for each in write.arguments])
        for write, verdict in zip(writes, verdicts, strict=True):
            if _VERDICTS[verdict] is Standing.OVERTAKEN:
                emit("backends", "results.late_write_refused", task_id=write.task_id, state=write.state)

    def standing(self, task_id: str, run: Run) -> Standing:
        """Say whether a write of this run would stand."""
        GATHERED.flush()
        key, run_key = self._keys_of(task_id)
        with told():
            on_record, their_run = self.client.mget((key, run_key))
        if on_record is None:
            return Standing.OPEN
        said = self.decode(their_run) if their_run else ["", "", 0, 0, 0]
        if said[0] == states.SUCCESS or on_record.startswith(b'{"status": "SUCCESS"'):
            return Standing.SUCCEEDED
        mine = (run.generation or 0, run.retries or 0, run.deliveries or 0)
        is_later = run.line is not None and said[1] == run.line and tuple(said[2:]) > mine
        return Standing.OVERTAKEN if is_later else Standing.OPEN

    def get(self, key: Any) -> Any:
        GATHERED.flush()
        with told():
            return super().get(key)

    def mget(self, keys: Any) -> Any:
        GATHERED.flush()
        with told():
            return super().mget(keys)

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: Any = None, **kwargs: Any
    ) -> None:
        """Take in the outcome of one part, after what is known of its task was written."""
        GATHERED.flush()
        super().on_chord_part_return(request, state, result, **kwargs)

    def forget(self, task_id: str) -> None:
        """Take a result off the record."""
        GATHERED.flush()
        super().forget(task_id)
        self.delete(self._keys_of(task_id)[1])

    def _keys_of(self, task_id: str) -> tuple[str, str]:
        """Name the keys of a task's result and of its run."""
        return bytes_to_str(self.get_key_for_task(task_id)), f"{self._prefix}celeriac:run:{task_id}"

    def _wait_for_pending(
        self,
        result: Any,
        timeout: float | None = None,
        on_interval: Any = None,
        on_message: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Wait as Celery does, and for a group also for what must succeed before its members are sent."""
        before = ids_before(result) if isinstance(result, ResultSet) else []

        def look() -> None:
            if on_interval is not None:
                on_interval()
            failed = [meta for _, meta in self._failed_among(before)]
            if failed:
                for member in result.results:
                    if not member.ready():
                        self.result_consumer.on_state_change({**failed[0], "task_id": member.id}, None)

        return super()._wait_for_pending(
            result,
            timeout=timeout,
            on_interval=look if before else on_interval,
            on_message=on_message,
            **kwargs,
        )

    def _failed_among(self, task_ids: list[str]) -> list[tuple[str, dict[str, Any]]]:
        metas = [(task_id, self.get_task_meta(task_id)) for task_id in task_ids]
        return [(task_id, meta) for task_id, meta in metas if meta["status"] in states.PROPAGATE_STATES]

    # -- groups

    def _save_group(self, group_id: str, result: GroupResult) -> GroupResult:
        payload = self.encode({"result": result.as_tuple()})
        with told():
            self.client.set(
                self.get_key_for_group(group_id), payload, px=round((self.expires or 0) * 1000) or None
            )
        return result

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        payload = self.get(self.get_key_for_group(group_id))
        return None if payload is None else {"result": self._group_from(payload)}


class SentinelBackend(RedisBackend, stock.SentinelBackend):
    """The same on the master that the Sentinels name."""

    @cached_property
    def _transport_options(self) -> dict[str, Any]:
        options = super()._transport_options
        return {**options, "sentinel_kwargs": asked_once(options.get("sentinel_kwargs"))}
