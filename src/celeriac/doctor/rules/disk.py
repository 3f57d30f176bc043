"""A folder that the plan keeps files in is nearly full, or may not be written to.

Less than 256 MiB is free, or this user may not write there: the embedded broker, the results, the records and the
spool refuse then.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Fact, Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import size, those

#: an embedded broker under load takes some tens of megabytes a minute
_LEAST_BYTES = 256 * 2**20


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell what is wrong with each folder."""
    for disk in patient.disks.seen():
        facts: dict[str, Fact] = {"holds": ", ".join(disk.holds), "free_bytes": disk.free_bytes}
        if disk.why:
            yield Symptom(
                at=disk.folder,
                message=f"the {those(disk.holds)} cannot be kept here: {disk.why}",
                fix="give this user a folder to write to, or name another one in the plan",
                facts=facts,
            )
        elif disk.free_bytes < _LEAST_BYTES:
            yield Symptom(
                at=disk.folder,
                message=f"only {size(disk.free_bytes)} are free for the {those(disk.holds)}",
                fix="free some space on that disk",
                facts=facts,
            )


RULE = Rule(code="DOC-108", name="disk", level="trouble", reads=("disks",), judge=judge)
