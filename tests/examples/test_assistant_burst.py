"""A burst into the assistant, watched from the first late task to the last freed slot, on a real Redis."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from servers.assistant import WITHIN_S, Assistant, new_assistant
from servers.redis_server import RedisServer
from servers.slots import SlotWatch
from servers.waiting import eventually

#: of the plan: what high_priority may wait
MAX_WAIT_S = 2.0
#: a slot is let go once less would have done for a minute, a quarter at a time; a busy machine may take its time
SHRUNK_WITHIN_S = 240.0
#: a worker is let go once less would have done for three minutes
WORKERS_SHRUNK_WITHIN_S = 600.0
ASK = """\
import json, sys
from app.tasks import chat
questions = ["How long does celeriac keep?", "Why do onions make me weep?", "When does garlic turn bitter?"]
print(json.dumps([chat.answer.delay("you", questions[n % 3]).id for n in range(int(sys.argv[1]))]))
"""

Record = Callable[[str, object], None]


class Burst:
    """An assistant with its high priority running, and what was seen of a burst into it."""

    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant

    def send(self, count: int) -> set[str]:
        return set(json.loads(self.assistant.sh("python", "-c", ASK, str(count))))

    def runs(self, sent: set[str]) -> list[dict[str, Any]]:
        """Wait until all have ended, and give them in the order in which they began."""

        def ended() -> list[dict[str, Any]]:
            told = self.assistant.json(
                *("runs", "--task", "app.tasks.chat.answer", "--state", "succeeded", "--limit", "5000")
            )
            return [run for run in told if run["task_id"] in sent]

        found = eventually(lambda: r if len(r := ended()) == len(sent) else None, within=180, every=1.0)
        return sorted(found, key=began_at)


def began_at(run: dict[str, Any]) -> float:
    return min(float(seen["at"]) for seen in run["history"] if seen["state"] == "running")


@pytest.fixture
def new_burst(
    redis_server: RedisServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Burst]]:
    """Start the services, with a model that writes as large ones do, and the workers of high priority."""
    made: list[Assistant] = []

    def start(**plan: str) -> Burst:
        assistant = new_assistant(
            tmp_path / "assistant",
            CELERY_BROKER_URL=redis_server.database(12),
            CELERY_RESULT_BACKEND=redis_server.database(13),
            MODEL_TOKENS_PER_S="25",
        )
        made.append(assistant)
        for old, new in plan.items():
            file = assistant.folder / "celeriac.toml"
            table = "[pools.high_priority]"
            before, after = file.read_text().split(table, 1)
            file.write_text(before + table + re.sub(rf"(?m)^{old} *=.*$", f"{old} = {new}", after, count=1))
        assistant.services = assistant.start_make("services")
        assistant.services.wait_for_log("services are ready", within=WITHIN_S)
        command = ("celeriac", "up", "--only", "high_priority", "--only", "recorder")
        assistant.workers = assistant.start("scripts/celery/run.sh", *command)
        assistant.workers.wait_for_log("ready:", within=WITHIN_S)
        return Burst(assistant)

    yield start
    for each in made:
        each.close()


def test_slots_follow_a_burst_from_the_first_late_task_to_the_last_freed_slot(
    new_burst: Callable[..., Burst], record_property: Record
) -> None:
    burst = new_burst()
    with SlotWatch(burst.assistant.folder, "high_priority") as watch:
        calm = {"high_priority-1": 2, "high_priority-2": 2}
        eventually(lambda: watch.changes and watch.now.slots == calm, within=WITHIN_S)
        sent = burst.send(240)
        runs = burst.runs(sent)
        eventually(lambda: watch.now.slots == calm, within=SHRUNK_WITHIN_S, every=0.5)
    told = figures(runs, watch)
    record_property("burst", told)
    assert told["late"] > 0, told  # else nothing was proved
    # Both went to the bounds of the plan, in steps of at most twice as many, and back in steps of a quarter.
    assert watch.most.slots == {"high_priority-1": 8, "high_priority-2": 8}, watch.changes
    for name in calm:
        sizes = [it.slots[name] for it in watch.changes]
        top = sizes.index(8)
        assert all(a < b <= 2 * a for a, b in pairwise(dict.fromkeys(sizes[: top + 1]))), sizes
        assert all(a > b for a, b in pairwise(dict.fromkeys(sizes[top:]))), sizes
    # Nobody was freed while somebody waited: the first slot went after the last task had begun.
    assert told["first_freed_s"] > told["last_began_s"], told
    words = burst.assistant.workers.log
    assert re.search(
        r"high_priority-1@\S+ has 4 slots now, and had 2: \d+ wait, the oldest for [\d.]+", words
    )


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_workers_and_their_slots_follow_a_burst(
    new_burst: Callable[..., Burst], record_property: Record
) -> None:
    burst = new_burst(replicas="{ min = 1, max = 3 }")
    with SlotWatch(burst.assistant.folder, "high_priority") as watch:
        eventually(lambda: watch.changes and len(watch.now.slots) == 1, within=WITHIN_S)
        sent = burst.send(900)
        runs = burst.runs(sent)
        eventually(
            lambda: watch.now.slots == {"high_priority-1": 2}, within=WORKERS_SHRUNK_WITHIN_S, every=0.5
        )
    told = figures(runs, watch)
    record_property("burst", told)
    assert told["late"] > 0, told
    assert len(watch.most.slots) == 3, watch.changes
    assert told["first_freed_s"] > told["last_began_s"], told


def figures(runs: list[dict[str, Any]], watch: SlotWatch) -> dict[str, Any]:
    """Say when what happened, in seconds since the first task was sent, and how long tasks waited."""
    start = min(run["sent_at"] for run in runs)
    began = [began_at(run) - start for run in runs]
    waits = [run["wait_s"] for run in runs]
    late = [run["sent_at"] - start + MAX_WAIT_S for run in runs if run["wait_s"] > MAX_WAIT_S]
    shift = watch.began - start
    totals = [(round(each.at + shift, 1), each.total, len(each.slots)) for each in watch.changes]
    top = watch.most
    freed = [at for at, total, _ in totals if at > top.at + shift and total < top.total]
    return {
        "tasks": len(runs),
        "late": len(late),
        "first_late_s": round(min(late), 1) if late else None,
        "first_grown_s": next((at for at, total, _ in totals if at > 0 and total > totals[0][1]), None),
        "most_slots": top.total,
        "most_slots_s": round(top.at + shift, 1),
        "most_workers": max(workers for _, _, workers in totals),
        "last_began_s": round(max(began), 1),
        "wait_s_median": round(median(waits), 2),
        "wait_s_longest": round(max(waits), 2),
        "first_freed_s": freed[0] if freed else None,
        "last_freed_s": freed[-1] if freed else None,
        "slots": [(at, total) for at, total, _ in totals],
    }
