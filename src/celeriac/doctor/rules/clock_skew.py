"""The clock of a server is more than a second from this machine's.

Delays, expiry and ages are told by several clocks; leases are not, and stand. Half the time of the question is
allowed for.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address, rounded, say_age

_MOST_S = 1.0


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell which server is how far off."""
    found = {it.at: (it.ahead_s, it.unsure_s) for it in patient.clocks.seen()}
    server = patient.server.seen()
    if server is not None:
        found[address(patient.plan.broker)] = (server.ahead_s, server.unsure_s)
    for at, (ahead_s, unsure_s) in found.items():
        if abs(ahead_s) - unsure_s > _MOST_S:
            yield Symptom(
                at=at,
                message=f"its clock is {say_age(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'} ours",
                fix="keep both by NTP: timedatectl set-ntp true",
                facts={"ahead_s": rounded(ahead_s), "unsure_s": rounded(unsure_s)},
            )


RULE = Rule(code="DOC-404", name="clock-skew", level="advice", reads=("clocks", "server"), judge=judge)
