"""All stand-ins at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.core.settings import Settings

from services import model, search
from services.http import serving
from services.langfuse import Langfuse
from services.mail import receiving


@contextmanager
def running(where: Settings) -> Iterator[None]:
    """Run the model, the search, Langfuse and the mail server at these addresses until the block ends.

    Raises: OSError if an address is taken.
    """
    with ExitStack() as services:
        services.enter_context(serving(where.model_url, model.ROUTES))
        services.enter_context(serving(where.search_url, search.ROUTES))
        services.enter_context(serving(where.langfuse_host, Langfuse(":".join(where.langfuse_keys)).routes))
        services.enter_context(receiving(where.smtp_url, where.data / "mail"))
        yield
