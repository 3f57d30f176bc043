"""Run all stand-ins until Ctrl-C or SIGTERM, or for as long as a command runs.

python -m services [COMMAND...]
"""

from __future__ import annotations

import signal
import subprocess
import sys

from app.core.settings import settings

from services.running import running


def main(command: list[str]) -> int:
    """Run them where the product looks for them; gives the exit code of the command."""
    where = settings()
    with running(where):
        if command:
            return accompany(command)
        for name, url in (
            ("model", where.model_url),
            ("search", where.search_url),
            ("langfuse", where.langfuse_host),
            ("mail", where.smtp_url),
        ):
            print(f"{name:10}{url}")
        print("services are ready", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


def accompany(command: list[str]) -> int:
    """Run a command to its end, which Ctrl-C and SIGTERM leave to the command."""
    child = subprocess.Popen(command)
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal has told the child as well
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    return child.wait()


try:
    sys.exit(main(sys.argv[1:]))
except OSError as error:
    sys.exit(f"services: {error.strerror or error}; do they run already? .env can give them other addresses")
