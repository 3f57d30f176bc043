"""What somebody will look at today."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.core.rows import rows
from app.tasks import dataset, embeddings, promotion, storage
from services.index import library


def keep_answer(number, question, asked_at=0.0, person="ann"):
    with rows() as db:
        db.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, 3, ?)",
            (str(number), person, question, f"a{number}", asked_at),
        )


def test_documents_about_the_same_lie_close_together(celeriac_sent):
    for passage in library().passages:
        embeddings.embed.delay(passage.title, passage.text)
    celeriac_sent.times(len(library().passages), embeddings.embed, queue="medium_priority")
    (best, cosine), *_ = embeddings.nearest("cabbage fermented with salt makes lactic acid")
    assert (best, cosine > 0.3) == ("Sauerkraut", True)


def test_a_document_embedded_twice_is_there_once(celeriac_bench):
    for text in ("about carrots", "about onions and garlic"):
        embeddings.embed.delay("note", text)
    ((name, cosine),) = embeddings.nearest("onions garlic about and")
    assert (name, round(cosine, 3)) == ("note", 1.0)


def test_equal_uploads_are_stored_once_and_read_back(tmp_path, where, celeriac_sent):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"the same" * 1000)
    first, second = (storage.store.delay(str(tmp_path / name)).get(timeout=1) for name in ("a.txt", "b.txt"))
    assert first == second
    assert storage.read(first) == b"the same" * 1000
    assert len([file for file in (where.data / "objects").rglob("*") if file.is_file()]) == 1
    celeriac_sent.times(2, storage.store, queue="medium_priority")


def test_a_question_that_three_people_asked_is_promoted_with_its_newest_answer(celeriac_bench):
    for number, question in enumerate(("Why salt?", " why salt? ", "WHY SALT?", "Why sugar?")):
        keep_answer(number, question, asked_at=number)
    assert promotion.promote.delay().get(timeout=1) == 1
    with rows() as db:
        assert db.execute("SELECT * FROM promoted").fetchall() == [("why salt?", "a2", 3)]


def test_a_day_becomes_a_file_of_its_exchanges(celeriac_bench):
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for number, at in enumerate((noon, noon - timedelta(days=1), noon + timedelta(hours=12))):
        keep_answer(number, f"q{number}", at.timestamp())
    path, count = dataset.export_day.delay("2026-03-02").get(timeout=1)
    (line,) = Path(path).read_text().splitlines()
    assert count == 1
    assert [each["content"] for each in json.loads(line)["messages"]] == ["q0", "a0"]


def test_yesterday_is_the_day_that_has_just_ended(celeriac_bench):
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    path, _ = dataset.export_yesterday.delay().get(timeout=1)
    assert Path(path).name == f"{yesterday}.jsonl"
