"""The tutorial says what it counted: a claim that does not hold ends it, and so does a worker that cannot start."""

import io

import pytest
from rich.console import Console

from celeriac import create_app
from celeriac.errors import TutorialError
from celeriac.tutorial import Call, Cast, Screen, Stage, chosen_steps, play


@pytest.fixture
def stage_on(project):
    """Make a stage in a project; what it shows is in `stage.paper`."""
    made = []

    def make(**options) -> Stage:
        place = project(**options)
        app = create_app(place.folder / "celeriac.toml")
        paper = io.StringIO()
        part = Call("shop.add", (1, 2))
        stage = Stage(
            app,
            Cast(light=part, heavy=part),
            Screen(Console(file=paper, width=80)),
            environ=place.environ,
            logs=place.folder,
        )
        stage.paper = paper
        made.append(stage)
        return stage

    yield make
    for stage in made:
        with stage:
            pass


def test_a_claim_that_does_not_hold_ends_the_story_with_what_was_counted(stage_on):
    stage = stage_on()
    stage.check("one is one", held=True)
    with pytest.raises(TutorialError) as caught:
        stage.check("two are one", held=1 == 2, found="they are 2")
    assert caught.value.code == "TUTOR-010"
    assert "two are one; they are 2" in caught.value.message
    assert "✓ one is one" in stage.paper.getvalue()
    assert "✗ two are one" in stage.paper.getvalue()


def test_what_does_not_happen_in_time_ends_it_with_the_figures(stage_on, monkeypatch):
    monkeypatch.setattr("celeriac.tutorial.stage.PATIENCE_S", 0.3)
    stage = stage_on()
    stage.send(stage.cast.light)
    with pytest.raises(TutorialError) as caught:
        stage.until("the task to end", lambda: stage.ended_well(*stage.sent))
    assert caught.value.code == "TUTOR-011"
    assert "default has 1 waiting and 0 with workers" in caught.value.message


def test_a_task_that_fails_is_not_waited_for(stage_on):
    stage = stage_on()
    sent = stage.send(stage.cast.light)
    stage.app.backend.store_result(sent, ValueError("no"), "FAILURE")
    with pytest.raises(TutorialError) as caught:
        stage.until("the task to end", lambda: stage.ended_well(sent))
    assert caught.value.code == "TUTOR-013"
    assert f"{sent} failed: ValueError: no" in caught.value.message


def test_a_worker_that_cannot_start_ends_it_with_the_workers_own_words(stage_on):
    stage = stage_on(tasks="import no_such_module\n")
    with pytest.raises(TutorialError) as caught:
        stage.worker("web")
    assert caught.value.code == "TUTOR-012"
    assert "no_such_module" in caught.value.message


def test_a_service_that_sees_no_retry_is_found_out(stage_on):
    """The count of the service is held against that of the records: a step whose claim is wrong cannot pass."""
    stage = stage_on(
        plan='[celeriac]\nname = "shop"\nimports = ["shop_tasks"]\n[queues.default]\n[records]\n'
        '[pools.web]\nqueues = ["default"]\nexecutor = "solo"\n'
    )
    asked = iter(range(100))
    stage.cast = Cast(
        light=stage.cast.light, heavy=stage.cast.heavy, flaky=stage.cast.light, asked=lambda: next(asked)
    )
    with stage, pytest.raises(TutorialError) as caught:
        play(stage, chosen_steps(["retry"]))
    assert caught.value.code == "TUTOR-010"
    assert "it ran 1 times" in caught.value.message


def test_a_task_whose_queue_nobody_reads_cannot_play(stage_on):
    with pytest.raises(TutorialError) as caught:
        stage_on(plan='[celeriac]\nname = "shop"\nimports = ["shop_tasks"]\n[queues.default]\n')
    assert caught.value.code == "TUTOR-022"
