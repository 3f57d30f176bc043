"""A run to a row of the table, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from celeriac.records.outcome import RunOutcome, outcome_of
from celeriac.records.run import Description, Mishap, Run, Sighting
from celeriac.records.schema import runs

_DESCRIBED = tuple(name for name in Description.__struct_fields__ if name not in ("is_full", "at"))
_NAMES = (
    "task_id",
    "history",
    "described_at",
    "is_described",
    *_DESCRIBED,
    "failed_at",
    "error",
    "traceback",
)
#: what a run is made of; the other columns follow from it
RUN_COLUMNS = tuple(runs.c[name] for name in _NAMES)
_decoder = msgspec.json.Decoder(tuple[Sighting, ...])
_encode = msgspec.json.Encoder().encode


def run_to_row(run: Run) -> dict[str, Any]:
    """Give the run as values for the columns of `schema.runs`."""
    outcome: RunOutcome = outcome_of(run)
    described = run.description
    mishap = run.mishap
    row = {name: getattr(described, name) for name in _DESCRIBED}
    row.update({name: getattr(outcome, name) for name in RunOutcome.__struct_fields__})
    row["task_id"] = run.task_id
    row["history"] = _encode(run.history).decode()
    row["described_at"] = described.at
    row["is_described"] = described.is_full
    row["failed_at"] = mishap.at if mishap else None
    row["error"] = mishap.error if mishap else None
    row["traceback"] = mishap.traceback if mishap else None
    return row


def run_from_row(row: Mapping[Any, Any]) -> Run:
    """Read a row of `schema.runs`, of which `RUN_COLUMNS` were asked for."""
    return Run(
        task_id=row["task_id"],
        history=_decoder.decode(row["history"]),
        description=Description(
            bool(row["is_described"]), row["described_at"], *(row[name] for name in _DESCRIBED)
        ),
        mishap=None if row["failed_at"] is None else Mishap(row["failed_at"], row["error"], row["traceback"]),
    )
