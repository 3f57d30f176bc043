"""What nobody waits for."""

import mailbox
import os
import time

from app.core.rows import rows
from app.tasks import cleanup, email, langfuse, leaderboard


def test_a_message_arrives_and_its_id_is_the_tasks(services, celeriac_sent):
    sent = email.send.delay("ann@example.org", "Hello", "It is ready.")
    assert sent.get(timeout=5) == f"<{sent.id}@assistant.example.org>"
    (message,) = mailbox.Maildir(services.data / "mail")
    assert (message["To"], message["Subject"]) == ("ann@example.org", "Hello")
    assert message.get_payload().strip() == "It is ready."
    celeriac_sent.one(email.send, queue="low_priority")


def test_a_mail_server_that_is_away_is_tried_again(celeriac_retried, celeriac_letters):
    email.send.delay("ann@example.org", "Hello", "It is ready.")
    celeriac_retried.times(5, email.send)
    celeriac_letters.one(email.send, exception=ConnectionRefusedError)


def test_only_old_uploads_are_removed(where, celeriac_bench):
    old, new = (where.folder("uploads") / name for name in ("old", "new"))
    for file in (old, new):
        file.touch()
    os.utime(old, (0, time.time() - 25 * 3600))
    assert cleanup.remove_old_files.delay().get(timeout=1) == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_a_trace_sent_twice_is_one(services, celeriac_bench):
    for _ in range(2):
        assert langfuse.export_trace.delay("t1", "q", "a", 0.0, 1.5).get(timeout=1) == 1
    keys = services.langfuse_keys
    traces = langfuse.http.get(f"{services.langfuse_host}/api/public/traces", auth=keys).json()
    assert traces["meta"]["totalItems"] == 1


def test_wrong_keys_leave_a_letter(services, monkeypatch, celeriac_letters):
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "another")
    langfuse.export_trace.delay("t1", "q", "a", 0.0, 1.5)
    celeriac_letters.one(langfuse.export_trace, exception="httpx.HTTPStatusError", attempts=6)


def test_the_leaderboard_counts_each_persons_questions(celeriac_bench):
    with rows() as db:
        for number, person in enumerate(("ann", "bob", "ann", "eve")):
            db.execute("INSERT INTO answers VALUES (?, ?, 'q', 'a', 1, 0)", (str(number), person))
    for _ in range(2):
        assert leaderboard.refresh.delay().get(timeout=1) == 3
    with rows() as db:
        placed = db.execute(
            "SELECT person, place, questions FROM leaderboard ORDER BY place, person"
        ).fetchall()
    assert placed == [("ann", 1, 2), ("bob", 2, 1), ("eve", 2, 1)]
