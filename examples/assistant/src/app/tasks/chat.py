"""Chat: a question is answered by the model."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task

from app.core.http import http
from app.core.rows import rows
from app.core.settings import settings
from app.tasks import langfuse

MODEL = "passages-1"


@shared_task(bind=True)
def answer(self: Any, person: str, question: str) -> str:
    """Ask the model, keep what it says, and have the exchange traced."""
    asked_at = time.time()
    reply = http.post(
        f"{settings().model_url}/chat/completions",
        json={"model": MODEL, "messages": [{"role": "user", "content": question}]},
    )
    reply.raise_for_status()
    completion = reply.json()
    text: str = completion["choices"][0]["message"]["content"]
    tokens: int = completion["usage"]["total_tokens"]
    with rows() as db:
        db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            (self.request.id, person, question, text, tokens, asked_at),
        )
    langfuse.export_trace.delay(self.request.id, question, text, asked_at, time.time())
    return text
