"""The browser that tests look at pages with: it must notice what a person would only see in the console."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from servers.browser import Browser

PAGES = {
    "/good": "<title>good</title><script>console.warn('only a warning')</script>",
    "/throws": "<script>throw new Error('of the page')</script>",
    "/says": "<script>console.error('something is wrong')</script>",
    "/lacks": "<img src=/missing.png>",
    "/foreign": "<script src=http://127.0.0.1:1/never.js></script>",
}


@pytest.fixture
def site() -> Iterator[str]:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = PAGES.get(self.path)
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((page or "nothing here").encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_pages_that_throw_complain_or_lack_something_of_their_own_site_fail_the_test(
    browser: Browser, site: str
) -> None:
    assert browser.open(f"{site}/good").title() == "good"
    browser.open(f"{site}/foreign")
    browser.check()
    for path, said in (
        ("/throws", "exception: of the page"),
        ("/says", "console: something is wrong"),
        ("/lacks", f"{site}/missing.png: 404"),
        ("/none", f"{site}/none: 404"),
    ):
        browser.open(f"{site}{path}")
        with pytest.raises(AssertionError, match=said):
            browser.check()
        browser.forgive("of the page|something is wrong|missing.png|/none")
        browser.check()
        browser.problems.clear()
        browser._forgiven.clear()


def test_a_page_has_the_size_and_the_colours_that_were_asked_for(browser: Browser) -> None:
    page = browser.open(width=375, height=667, is_dark=True)
    assert page.evaluate("[innerWidth, innerHeight]") == [375, 667]
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
