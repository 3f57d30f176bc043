"""Tasks that follow one another: one chain, then many at once."""

from __future__ import annotations

import time

from celeriac.tutorial.stage import Stage


def chain(stage: Stage) -> None:
    """Send one chain and see both of its tasks run, each where it belongs."""
    screen, cast = stage.screen, stage.cast
    screen.say(
        "A chain sends the next task when the one before has ended, with its result as the first argument."
    )
    heavy, light = cast.heavy, cast.light.task.rpartition(".")[2]
    screen.code(f"chain({_signature(heavy.task, heavy.args)}, {light}.s()).delay()")
    screen.look(f"the heavy task runs in {stage.heavy_pool}, the light one after it in {stage.light_pool}.")
    stage.pace.wait("send it")
    began = time.monotonic()
    ids = stage.send_chain()
    stage.until("the chain to end", lambda: stage.ended_well(*ids))
    took = time.monotonic() - began
    passed = stage.app.AsyncResult(ids[0]).result
    screen.held(f"both tasks ended well in {took:.1f} s; the first handed on {str(passed)[:60]}")
    if stage.plan.records is None:
        return
    seen = stage.until("both runs on record", lambda: _recorded(stage, ids))
    screen.told("celeriac runs", [f"{task}  ran on {worker}" for task, worker in seen])
    stage.check(
        "the records name the worker of each",
        held=all(worker for _, worker in seen),
        found=f"on record: {seen}",
    )


def bulk(stage: Stage) -> None:
    """Send many chains, draw the queues as they move, and count every run."""
    screen, count = stage.screen, stage.cast.chains
    screen.say(
        f"{count} chains are sent in one go: {2 * count} tasks, of which half exist only once the others have ended."
    )
    screen.look(
        f"{stage.heavy_queue} fills and drains; {stage.light_queue} stays short, for its tasks are quick."
    )
    stage.pace.wait(f"send {count} chains")
    began = time.monotonic()
    most = 0
    chains: list[tuple[str, str]] = []
    with screen.moving() as drawing:
        for _ in range(count):
            chains.append(stage.send_chain())
        open_ones = {task_id for each in chains for task_id in each}

        def look() -> None:
            nonlocal most
            figures = stage.look()
            most = max(most, sum(it.ready for it in figures))
            drawing.show(figures)

        def ended() -> bool:
            open_ones.difference_update([each for each in open_ones if stage.ended_well(each)])
            return not open_ones

        stage.until("all chains to end", ended, look=look)
        look()
    took = time.monotonic() - began
    screen.held(f"{2 * count} tasks ended well in {took:.1f} s; at most {most} waited at once")
    left = [it for it in stage.look() if it.ready]
    stage.check("the queues are empty again", held=not left, found=f"still there: {left}")
    if stage.plan.records is not None:
        _count_runs(stage, [task_id for each in chains for task_id in each])


def _count_runs(stage: Stage, ids: list[str]) -> None:
    def recorded() -> list[int]:
        seen = [run for run in map(stage.figures.run, ids) if run and run.outcome.state == "succeeded"]
        return [run.outcome.attempts for run in seen] if len(seen) == len(ids) else []

    attempts = stage.until(f"{len(ids)} runs on record", recorded)
    stage.check(
        f"the records hold {len(attempts)} runs of them, each ran once",
        held=set(attempts) == {1},
        found=f"some ran {max(attempts)} times",
    )


def _recorded(stage: Stage, ids: tuple[str, ...]) -> list[tuple[str, str]]:
    seen = [run for run in map(stage.figures.run, ids) if run and run.outcome.state == "succeeded"]
    if len(seen) < len(ids):
        return []
    return [(str(run.run.description.task), str(run.outcome.worker or "")) for run in seen]


def _signature(task: str, args: tuple[object, ...]) -> str:
    return f"{task.rpartition('.')[2]}.s({', '.join(map(repr, args))})"
