"""A real browser of a test's own, Debian's Chromium driven by Playwright; what its console says fails the test.

Each test starts its own, which takes half a second: Playwright keeps an event loop running in the thread that drives
it, and tests that call `asyncio.run` must not meet it. For the same reason, don't call it while a browser is open.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import ConsoleMessage, Page, Request, Response

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: how long Playwright looks for an element or waits for a page; the machine may be slow
ANSWERS_WITHIN_S = 30.0
#: a request that a newer navigation, or the end of the page, broke off
_BROKEN_OFF = "net::ERR_ABORTED"
#: asked for by browsers on their own account
_UNASKED = "/favicon.ico"


@dataclass
class Browser:
    """A running browser.

    problems: console errors, uncaught exceptions, and requests to the page's own site that failed or got 400 or more.
    """

    chromium: Chromium
    problems: list[str] = field(default_factory=list)
    _forgiven: list[re.Pattern[str]] = field(default_factory=list)

    def open(
        self, url: str = "about:blank", *, width: int = 1280, height: int = 800, is_dark: bool = False
    ) -> Page:
        """Open a page in a context (cookies, storage) of its own, and go to `url`.

        width, height: of the window, in CSS pixels; 375 × 667 is a small phone.
        """
        context = self.chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if is_dark else "light"
        )
        context.set_default_timeout(ANSWERS_WITHIN_S * 1000)
        page = context.new_page()
        self._watch(page)
        if url != "about:blank":
            page.goto(url)
        return page

    def forgive(self, pattern: str) -> None:
        """Let problems be in which this regular expression is found: those the test is about."""
        self._forgiven.append(re.compile(pattern))

    def check(self) -> None:
        """Fail if any page has had a problem that is not forgiven."""
        bad = [each for each in self.problems if not any(it.search(each) for it in self._forgiven)]
        assert not bad, "the browser had problems:\n" + "\n".join(bad)

    def _watch(self, page: Page) -> None:
        def is_own(url: str) -> bool:
            asked = urlsplit(url)
            return asked.netloc in ("", urlsplit(page.url).netloc) and asked.path != _UNASKED

        def is_asked_for(request: Request) -> bool:
            return request.is_navigation_request() or is_own(request.url)

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error" and is_own(message.location["url"]):
                self.problems.append(f"console: {message.text} at {message.location['url']}")

        def on_failed(request: Request) -> None:
            if is_asked_for(request) and request.failure != _BROKEN_OFF:
                self.problems.append(f"request: {request.method} {request.url}: {request.failure}")

        def on_response(response: Response) -> None:
            if is_asked_for(response.request) and response.status >= 400:
                self.problems.append(f"response: {response.request.method} {response.url}: {response.status}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error} at {page.url}"))
        page.on("requestfailed", on_failed)
        page.on("response", on_response)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium until the block ends.

    Raises: FileNotFoundError if it is not installed; AssertionError, at the end of the block, as `Browser.check`.
    """
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise FileNotFoundError("chromium is not installed: run scripts/install-servers")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            browser = Browser(chromium)
            yield browser
            browser.check()
        finally:
            chromium.close()
