"""The search service: the library's passages by their words."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from services.http import Answer, Request
from services.index import library


def search(request: Request) -> tuple[HTTPStatus, Any]:
    """Answer GET /search?q=…&limit=…"""
    found = library().search(request.query["q"])[: int(request.query.get("limit", "10"))]
    hits = [
        {
            "title": passage.title,
            "url": f"https://kitchen.example/{passage.slug}",
            "snippet": passage.sentences[0],
            "score": round(score, 3),
        }
        for passage, score in found
    ]
    return HTTPStatus.OK, {"hits": hits}


ROUTES: dict[tuple[str, str], Answer] = {("GET", "/search"): search}
