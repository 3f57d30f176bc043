"""The end: where to watch live, and the count of everything that was sent."""

from __future__ import annotations

from celeriac.plan.flowers import flowers_of
from celeriac.tutorial.stage import Stage


def watch(stage: Stage) -> None:
    """Name the places to watch, and prove that nothing was lost."""
    screen = stage.screen
    screen.say(
        "In your own project, `celeriac up` runs all processes of the plan in one terminal. In another:"
    )
    for command, shows in (
        ("celeriac status", "what runs, who reads which queue and what waits"),
        ("celeriac queues", "every queue, how long its oldest message waits, its letters"),
        ("celeriac runs --follow", "every task as it happens"),
        ("celeriac why TASK_ID", "what became of one task, and what that rests on"),
        ("celeriac dead list", "what failed for good, to be mended and replayed"),
    ):
        screen.named(command, shows)
    flowers = [(name, flower.address) for name, flower in flowers_of(stage.plan).items()]
    if flowers:
        for name, address in flowers:
            screen.say(f"{name}, which the plan has `celeriac up` start: http://{address}")
    else:
        screen.say(
            "A page in the browser: add [flower] to the plan, and `celeriac up` starts Flower with it."
        )
    if stage.plan.broker.startswith(("amqp", "pyamqp")):
        screen.say(
            "RabbitMQ's own page of its queues is at port 15672, where its management plugin is enabled."
        )
    stage.pace.wait("count everything")
    _prove(stage)


def _prove(stage: Stage) -> None:
    sent = list(dict.fromkeys(stage.sent))
    ended = (
        stage.until(
            "every task to end",
            lambda: (
                [each for each in sent if stage.figures.has_succeeded(each)] if _quiet(stage) else sent[:0]
            ),
        )
        if sent
        else []
    )
    lost = sorted(set(sent) - set(ended))
    stage.check(
        f"{len(sent)} tasks were sent, {len(ended)} ended well, {len(lost)} were lost",
        held=not lost,
        found=f"missing: {lost}",
    )
    letters = stage.own_letters()
    stage.check(
        "no letter waits for a decision, no queue holds a message",
        held=not letters and _quiet(stage),
        found=f"{len(letters)} letters wait",
    )


def _quiet(stage: Stage) -> bool:
    return all(not it.ready and not it.unacked for it in stage.look())
