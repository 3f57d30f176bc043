"""A real redis-server that speaks TLS alone and knows one user, with a certificate made for it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from servers.redis_server import STARTS_WITHIN_S, free_port

USER, PASSWORD = "assistant", "s3cret-of-the-broker"

CONFIG = """\
port 0
tls-port {port}
bind 127.0.0.1
dir {folder}
tls-cert-file {certificate}
tls-key-file {key}
tls-ca-cert-file {certificate}
tls-auth-clients {asks}
save ""
appendonly no
logfile {log}
"""


@dataclass(frozen=True)
class TlsRedisServer:
    """A running server; its certificate signs itself, so `certificate` is its own authority.

    key: with it a client can show that certificate as its own; None if the server asks for none.
    """

    port: int
    certificate: Path
    pid: int
    key: Path | None = None

    def url(self, database: int = 0, password: str = PASSWORD) -> str:
        """The URL of a database; the server's name and certificate are checked against `certificate`."""
        options = f"ssl_cert_reqs=required&ssl_ca_certs={quote(str(self.certificate))}"
        if self.key is not None:
            options += f"&ssl_certfile={quote(str(self.certificate))}&ssl_keyfile={quote(str(self.key))}"
        return f"rediss://{USER}:{password}@127.0.0.1:{self.port}/{database}?{options}"


@contextmanager
def running_tls_redis(folder: Path, *, asks_for_certificates: bool = False) -> Iterator[TlsRedisServer]:
    """Run a redis-server in `folder` until the block ends; without its password nobody may do anything.

    asks_for_certificates: nobody may connect without a certificate that its authority has signed.
    Raises: FileNotFoundError if there is no redis-server or openssl; TimeoutError, with its log, if it does not answer.
    """
    program = _program("redis-server")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    _make_certificate(key, certificate)
    port, log = free_port(), folder / "redis.log"
    config = folder / "redis.conf"
    asks = "yes" if asks_for_certificates else "no"
    config.write_text(
        CONFIG.format(port=port, folder=folder, key=key, certificate=certificate, log=log, asks=asks)
        + f"user default off\nuser {USER} on >{PASSWORD} ~* &* +@all\n"
    )
    process = subprocess.Popen(
        [program, str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    server = TlsRedisServer(port, certificate, process.pid, key if asks_for_certificates else None)
    try:
        _wait_until_it_answers(server, process, log)
        yield server
    finally:
        process.kill()
        process.wait()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: run scripts/install-servers")
    return found


def _make_certificate(key: Path, certificate: Path) -> None:
    command = [
        _program("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)


def _wait_until_it_answers(server: TlsRedisServer, process: subprocess.Popen[bytes], log: Path) -> None:
    from redis import ConnectionError as NotYet
    from redis import Redis

    deadline = time.monotonic() + STARTS_WITHIN_S
    with Redis.from_url(server.url(), socket_timeout=1.0) as client:
        while True:
            try:
                client.ping()
            except (NotYet, TimeoutError):
                if process.poll() is not None or time.monotonic() > deadline:
                    words = log.read_text() if log.exists() else "no log"
                    raise TimeoutError(
                        f"redis-server on port {server.port} does not answer: {words}"
                    ) from None
                time.sleep(0.02)
            else:
                return
