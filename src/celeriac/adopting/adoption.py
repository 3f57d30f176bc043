"""Adopting one project: found, read, written down, and proved to be the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from celeriac.adopting.advice import Advice, advise
from celeriac.adopting.asking import ask
from celeriac.adopting.finding import find_app_place
from celeriac.adopting.lines import CommandLine, command_lines
from celeriac.adopting.proof import Difference, differences, pins_between
from celeriac.adopting.snapshot import Snapshot
from celeriac.adopting.writing import PoolDraft, plan_text, pools_of


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """What came of adopting a project.

    text: the plan. folder: where it belongs, the folder the app is imported from. app: as for `celery -A`.
    found_at: what named the app. settings, tasks, routes, schedules: how many were compared.
    differences: what is not the same with the plan; empty is the proof. advice: what is worth changing afterwards.
    connected: connections that importing the project tried to make, none of which was made.
    """

    text: str
    folder: Path
    app: str
    found_at: str
    pools: list[PoolDraft]
    settings: int
    tasks: int
    schedules: int
    differences: list[Difference]
    advice: list[Advice]
    connected: list[str]


def adopt_project(folder: Path, app_path: str | None = None) -> Adoption:
    """Read a project and give the plan that changes nothing of it, with the proof. Nothing is written.

    Raises: AdoptError if no app is found or it cannot be imported; PlanError if what it is cannot be said by a plan.
    """
    lines = command_lines(folder)
    place = find_app_place(folder, app_path, lines)
    before = ask(place.root, place.path)
    own_lines = [line for line in lines if line.app is None or line.app.partition(":")[0] in place.path]
    pools = pools_of(before, own_lines)
    beats = int(_has_beat(before, own_lines))
    with tempfile.TemporaryDirectory() as aside:
        draft = Path(aside) / "celeriac.toml"
        first = plan_text(before, place.path, pools, {}, beats=beats)
        pins = pins_between(
            before,
            _with(first, draft, place.root, place.path, before),
            has_pool_limits=any("time_limit" in pool.values for pool in pools),
        )
        scheduler = next(
            (line.options["scheduler"] for line in own_lines if line.options.get("scheduler")), None
        )
        if scheduler and "beat_scheduler" in pins:
            pins["beat_scheduler"] = scheduler
        text = plan_text(before, place.path, pools, pins, beats=beats)
        after = _with(text, draft, place.root, place.path, before)
    different = differences(before, after)
    if scheduler:
        different = [each for each in different if each.what != "beat_scheduler"]
    return Adoption(
        text=text,
        folder=place.root,
        app=place.path,
        found_at=place.at,
        pools=pools,
        settings=len(before.settings),
        tasks=len(before.tasks),
        schedules=len(before.schedules),
        differences=different,
        advice=advise(before, own_lines, pools, pins),
        connected=before.connected,
    )


def _with(text: str, draft: Path, root: Path, app_path: str, before: Snapshot) -> Snapshot:
    draft.write_text(text)
    # A plan holds no password: where it stands in the project's code, the variable must bring it.
    environ = {
        variable: url
        for variable, url in (("CELERY_BROKER_URL", before.broker), ("CELERY_RESULT_BACKEND", before.results))
        if f"${{{variable}}}" in text and url
    }
    return ask(root, app_path, draft, environ=environ)


def _has_beat(snapshot: Snapshot, lines: list[CommandLine]) -> bool:
    is_started = any(line.kind == "beat" or "beat" in line.options for line in lines)
    return is_started or bool(snapshot.schedules)
