"""All tasks, each module one kind of work; the plan says which priority each has."""

from app.core.celery_app import celery_app
from app.tasks import (
    asr,
    chat,
    cleanup,
    dataset,
    email,
    embeddings,
    images,
    langfuse,
    leaderboard,
    promotion,
    storage,
    web_search,
)

__all__ = [
    "asr",
    "celery_app",
    "chat",
    "cleanup",
    "dataset",
    "email",
    "embeddings",
    "images",
    "langfuse",
    "leaderboard",
    "promotion",
    "storage",
    "web_search",
]
