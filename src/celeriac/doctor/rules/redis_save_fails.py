"""The broker's Redis cannot write to its disk.

Its last snapshot, or its last write to the append-only file, failed. By default it then refuses every send
(MISCONF).
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell which of the two failed."""
    server = patient.server.seen()
    if server is None or not (server.save_failed or server.append_failed):
        return
    what = "write to its append-only file" if server.append_failed else "snapshot"
    yield Symptom(
        at=address(patient.plan.broker),
        message=f"the last {what} of Redis failed",
        fix="see its log; most often its disk is full, or its folder (CONFIG GET dir) may not be written to",
        facts={
            "rdb_last_bgsave_status": "err" if server.save_failed else "ok",
            "aof_last_write_status": "err" if server.append_failed else "ok",
        },
    )


RULE = Rule(code="DOC-106", name="redis-save-fails", level="trouble", reads=("server",), judge=judge)
