"""Langfuse: each exchange with the model is traced, for those who judge its answers."""

from __future__ import annotations

from datetime import UTC, datetime

from celery import shared_task

from app.core.http import http
from app.core.settings import settings


@shared_task
def export_trace(trace: str, question: str, answer: str, began: float, ended: float) -> int:
    """Post one exchange to Langfuse's ingestion API, and say how many events it took.

    trace: the id of the chat task, so that an exchange sent twice is one trace; began, ended: epoch seconds.
    """
    at = datetime.fromtimestamp(began, UTC).isoformat()
    body = {"id": trace, "name": "chat", "input": question, "output": answer, "timestamp": at}
    body["metadata"] = f"{ended - began:.3f} s"
    reply = http.post(
        f"{settings().langfuse_host}/api/public/ingestion",
        auth=settings().langfuse_keys,
        json={"batch": [{"id": trace, "type": "trace-create", "timestamp": at, "body": body}]},
    )
    reply.raise_for_status()
    return len(reply.json()["successes"])
