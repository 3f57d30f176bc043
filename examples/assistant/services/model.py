"""The model "passages-1" behind an OpenAI-shaped API: it answers with what the library says, and invents nothing."""

from __future__ import annotations

import os
import time
import uuid
from http import HTTPStatus
from typing import Any

from services.http import Answer, Refused, Request
from services.index import library, words_of

MODEL = "passages-1"
_SENTENCES = 2


def reply_to(question: str) -> str:
    """Give the sentences of the best passage that say most about the question, in their order."""
    found = library().search(question)
    if not found:
        return "I have read nothing about that."
    asked = set(words_of(question))
    sentences = found[0][0].sentences

    def telling(number: int) -> float:
        return sum(library().weight(word) for word in asked & set(words_of(sentences[number])))

    chosen = sorted(range(len(sentences)), key=telling, reverse=True)[:_SENTENCES]
    return " ".join(sentences[number] for number in sorted(chosen))


def complete(request: Request) -> tuple[HTTPStatus, Any]:
    """Answer POST /chat/completions."""
    if request.body["model"] != MODEL:
        raise Refused(HTTPStatus.NOT_FOUND, f"there is no model {request.body['model']!r}, but {MODEL!r}")
    questions = [each["content"] for each in request.body["messages"] if each["role"] == "user"]
    if not questions:
        raise Refused(HTTPStatus.BAD_REQUEST, "no message of a user")
    text = reply_to(questions[-1])
    prompt, completion = len(questions[-1].split()), len(text.split())
    if pace := float(os.environ.get("MODEL_TOKENS_PER_S") or 0):
        time.sleep(completion / pace)  # as a model that writes word by word
    return HTTPStatus.OK, {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        },
    }


def models(_: Request) -> tuple[HTTPStatus, Any]:
    """Answer GET /models."""
    return HTTPStatus.OK, {
        "object": "list",
        "data": [{"id": MODEL, "object": "model", "owned_by": "services"}],
    }


ROUTES: dict[tuple[str, str], Answer] = {
    ("POST", "/v1/chat/completions"): complete,
    ("GET", "/v1/models"): models,
}
