"""Web search: pages about a question, from the search service."""

from __future__ import annotations

from typing import TypedDict

from celery import shared_task

from app.core.http import http
from app.core.settings import settings


class Hit(TypedDict):
    """A page that was found; score: bigger is nearer."""

    title: str
    url: str
    snippet: str
    score: float


@shared_task
def search(query: str, limit: int = 3) -> list[Hit]:
    """Give the pages nearest to `query`, the nearest first."""
    reply = http.get(f"{settings().search_url}/search", params={"q": query, "limit": limit})
    reply.raise_for_status()
    hits: list[Hit] = reply.json()["hits"]
    return hits
