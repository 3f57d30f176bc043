"""Where the product keeps its files, and the services it calls."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the environment says; the defaults are the stand-ins of services/.

    data: the folder of rows and files.
    model_url: an OpenAI-shaped API; search_url, langfuse_host: HTTP; smtp_url: "smtp://host:port".
    """

    data: Path
    model_url: str
    search_url: str
    langfuse_host: str
    langfuse_keys: tuple[str, str]
    smtp_url: str

    def folder(self, name: str) -> Path:
        """Give a folder in the data, made if it is not there."""
        folder = self.data / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def settings() -> Settings:
    """Read the environment."""
    say = os.environ.get
    return Settings(
        data=Path(say("ASSISTANT_DATA", "data")),
        model_url=say("MODEL_URL", "http://127.0.0.1:8081/v1"),
        search_url=say("SEARCH_URL", "http://127.0.0.1:8082"),
        langfuse_host=say("LANGFUSE_HOST", "http://127.0.0.1:8083"),
        langfuse_keys=(say("LANGFUSE_PUBLIC_KEY", "pk-local"), say("LANGFUSE_SECRET_KEY", "sk-local")),
        smtp_url=say("SMTP_URL", "smtp://127.0.0.1:8025"),
    )
