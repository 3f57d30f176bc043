"""The demo: nobody waits for the flood, somebody waits for the chat. Ends by itself, and with 0 if all was done."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

from app.core.celery_app import celery_app
from app.core.settings import settings
from app.tasks import asr, chat, email, embeddings, images, web_search
from celery.result import ResultSet
from services.index import library
from services.tones import write_keys

EMAILS = 300
QUESTIONS = (
    "How do I make mashed potatoes?",
    "How long does celeriac keep?",
    "Why do onions make me weep?",
    "When does garlic turn bitter?",
    "What goes into vegetable stock?",
    "How much salt does sauerkraut need?",
)
PRIORITIES = ("high_priority", "medium_priority", "low_priority")
DONE_WITHIN_S, RECORDED_WITHIN_S = 240.0, 60.0


def main() -> int:
    """Send the burst while the services and the plan run, and show what came of it."""
    began = time.time()
    background = flood()
    answers = ask()
    for question, text in answers:
        print(f"  {question}\n    {text}")
    print(f"\nAll of that came while {sum(not each.ready() for each in background)} others waited.")
    ResultSet(background).join(timeout=DONE_WITHIN_S)
    show_waits(began, len(background) + len(answers))
    look_around()
    return 0


def flood() -> list[Any]:
    """Send what nobody waits for: mail at low priority, documents at medium."""
    print(f"\n{EMAILS} emails and {len(library().passages)} documents are sent; then somebody asks:\n")
    sent = [
        email.send.delay(f"reader{n}@example.org", "This week in the kitchen", f"Letter {n}.")
        for n in range(EMAILS)
    ]
    return sent + [embeddings.embed.delay(each.title, each.text) for each in library().passages]


def ask() -> list[tuple[str, str]]:
    """Send what somebody waits for, and wait."""
    sound = write_keys("0800235437", settings().folder("uploads") / "keys.wav")
    asked = [(question, chat.answer.delay("you", question)) for question in QUESTIONS]
    asked.append((f"[keys pressed in {sound.name}]", asr.transcribe.delay(str(sound))))
    asked.append(("[a card]", images.render_card.delay("A sharp knife is safer than a dull one.")))
    asked.append(("[search: roots in winter]", web_search.search.delay("roots in winter", 1)))
    found = [(what, result.get(timeout=DONE_WITHIN_S)) for what, result in asked]
    return [(what, each[0]["title"] if isinstance(each, list) else str(each)) for what, each in found]


def show_waits(began: float, count: int) -> None:
    """Print how long the tasks of each priority waited, from the history of runs."""
    deadline = time.monotonic() + RECORDED_WITHIN_S
    runs: list[dict[str, Any]] = []
    while len(runs) < count and time.monotonic() < deadline:
        time.sleep(0.2)  # the recorder writes what it has heard a few times a second
        runs = runs_since(began)
    print(f"\n  {'queue':18}{'tasks':>6}{'median wait':>14}{'longest':>10}")
    for queue in PRIORITIES:
        waits = [run["wait_s"] for run in runs if run["queue"] == queue]
        if waits:
            print(f"  {queue:18}{len(waits):6}{median(waits):12.2f} s{max(waits):8.2f} s")


def runs_since(began: float) -> list[dict[str, Any]]:
    """Give the runs that succeeded since then, as `celeriac runs` knows them."""
    command = ["celeriac", "runs", "--json", "--limit", "10000", "--state", "succeeded"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [run for run in json.loads(listed.stdout) if run["sent_at"] and run["sent_at"] >= began]


def look_around() -> None:
    """Say where everything is."""
    data = settings().data
    letters = len(list((data / "mail" / "new").iterdir()))
    print(
        f"\n{letters} emails lie in {data}/mail, the card in {data}/images, the rows in {data}/assistant.db."
    )
    print(
        f"The broker is {celery_app.conf.broker_url.partition('://')[0]}. Next: make services, make up, make flower.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
