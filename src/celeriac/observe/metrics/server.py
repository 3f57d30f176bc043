"""The one process per host that answers scrapes and health checks, over plain HTTP."""

from __future__ import annotations

import base64
import hmac
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from celeriac.errors import MetricsError
from celeriac.observe.health import health_of
from celeriac.observe.metrics.readings import Sources
from celeriac.observe.metrics.scaling import Scaling

#: content type, status, body
Answer = tuple[str, HTTPStatus, bytes]

#: before the name of a pool
_SCALE = "/scale/"
_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"
_UNKNOWN: Answer = (
    _TEXT,
    HTTPStatus.UNAUTHORIZED,
    b"the plan's [metrics].auth says who may read this\n",
)
#: a client that sends nothing is let go
_PATIENCE_S = 10.0


class Pages:
    """What is answered under which path, and to whom.

    registry: gives the metrics; sources: gives what health is judged by; scaling: tells the scale of pools, None where
        no broker is read.
    auth: "user:password" of who may see metrics and scales, or several parted by commas; empty: everybody. Health is
        answered to everybody, since load balancers and probes have no password, but only in numbers.
    """

    def __init__(
        self, registry: CollectorRegistry, sources: Sources, auth: str = "", scaling: Scaling | None = None
    ) -> None:
        self._registry = registry
        self._sources = sources
        self._scaling = scaling
        self._known = [f"Basic {base64.b64encode(one.encode()).decode()}" for one in auth.split(",") if one]
        # A scaler that knows the variable, and not what stands in it, sends it as it is.
        self._known += [f"Bearer {one}" for one in dict.fromkeys((auth, *auth.split(","))) if one]
        self._paths: dict[str, Callable[[str, bool], Answer]] = {
            "/metrics": self.metrics,
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/health/celery": self.celery,
        }

    def answer(self, path: str, accept: str = "", authorization: str = "") -> Answer:
        """Answer a GET of `path`; the others are the headers of these names."""
        path = path.partition("?")[0]
        if path.startswith(_SCALE) and self._scaling is not None:
            return self.scale(
                self._scaling, unquote(path.removeprefix(_SCALE)), self._is_known(authorization)
            )
        page = self._paths.get(path)
        if page is None:
            known = "\n".join((*self._paths, *([f"{_SCALE}POOL"] if self._scaling else [])))
            return _TEXT, HTTPStatus.NOT_FOUND, f"known: \n{known}\n".encode()
        return page(accept, self._is_known(authorization))

    def _is_known(self, authorization: str) -> bool:
        # In constant time: how long it takes tells nothing of a password.
        given = authorization.encode("latin-1", "replace")
        return not self._known or any(hmac.compare_digest(given, one.encode()) for one in self._known)

    def metrics(self, accept: str, is_known: bool) -> Answer:
        """Give all metrics in the format the scraper asks for."""
        if not is_known:
            return _UNKNOWN
        encode, content_type = choose_encoder(accept)
        return content_type, HTTPStatus.OK, encode(self._registry)

    def scale(self, scaling: Scaling, pool: str, is_known: bool) -> Answer:
        """Tell how many workers a pool could use now.

        503 while the broker does not answer, so that nobody scales blind.
        """
        if not is_known:
            return _UNKNOWN
        if pool not in scaling.pools:
            known = ", ".join(scaling.pools)
            return _TEXT, HTTPStatus.NOT_FOUND, f"the plan declares no such pool; known: {known}\n".encode()
        scale = scaling.of(pool)
        if scale is None:
            return _json(
                HTTPStatus.SERVICE_UNAVAILABLE, {"pool": pool, "reason": "the broker does not answer"}
            )
        return _json(HTTPStatus.OK, scale)

    def live(self, _accept: str, is_known: bool) -> Answer:
        """Say that this process answers."""
        return _json(HTTPStatus.OK, {"live": True} | ({"version": version("celeriac")} if is_known else {}))

    def ready(self, _accept: str, is_known: bool) -> Answer:
        """Say whether tasks sent now will be run here: the broker answers, and a worker takes tasks."""
        workers = self._sources.workers()
        reasons = [f"worker {each.name} is {each.trouble}" for each in workers if each.trouble]
        if not any(each.is_up for each in workers):
            reasons.append("no worker takes tasks on this host")
        has_broker = not self._sources.reads_broker or self._sources.broker() is not None
        if not has_broker:
            reasons.append("the broker does not answer")
        is_ready = has_broker and any(each.is_up for each in workers)
        return _json(
            HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
            {"ready": is_ready} | ({"reasons": reasons} if is_known else {}),
        )

    def celery(self, _accept: str, _is_known: bool) -> Answer:
        """Give `{workers, active_tasks, healthy}` of this host."""
        health = health_of(self._sources.workers())
        return _json(HTTPStatus.OK if health.healthy else HTTPStatus.SERVICE_UNAVAILABLE, health)


def _json(status: HTTPStatus, content: Any) -> Answer:
    return _JSON, status, msgspec.json.encode(content)


class Server:
    """An HTTP server on one address, running in threads of its own once started.

    address: "host:port", "[host]:port" for IPv6; port 0 takes a free one.
    Raises: MetricsError if nothing can listen there.
    """

    def __init__(self, address: str, pages: Pages) -> None:
        host, port = split(address)
        handler = type("Handler", (_Handler,), {"pages": pages})
        server = type(
            "Server",
            (ThreadingHTTPServer,),
            {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET, "daemon_threads": True},
        )
        try:
            self._server = server((host, port), handler)
        except (OSError, OverflowError) as error:
            raise MetricsError(
                "METRICS-001",
                f"nothing can listen at {address}: {error}",
                at="[metrics].address",
                fix="stop what listens there, or set another address",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; returns when the port is free."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    pages: Pages
    timeout = _PATIENCE_S
    server_version = "celeriac"
    sys_version = ""

    def handle(self) -> None:
        # Who asked and has gone, a scraper past its timeout say, is no trouble of ours.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        content_type, status, body = self.pages.answer(
            self.path, self.headers.get("Accept") or "", self.headers.get("Authorization") or ""
        )
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="celeriac", charset="UTF-8"')
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: Any) -> None:
        """Say nothing: a line per scrape tells nobody anything."""


def split(address: str) -> tuple[str, int]:
    """Split "host:port" or "[host]:port".

    Raises: MetricsError if it is neither.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise MetricsError(
            "METRICS-002",
            f'"{address}" is no address to listen at',
            at="[metrics].address",
            fix='write host and port, like "127.0.0.1:9540"',
        )
    return host, int(port)
