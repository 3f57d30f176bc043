"""`manage.py start_flower`: the plan's Flower alone, on another port if one is named."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Run Flower as the plan says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, help="instead of the plan's")

    def handle(self, *, port: int | None, **_: Any) -> None:
        """Go on as Flower, so that signals and the exit code are its own."""
        elsewhere = [] if port is None else ["--address", f"127.0.0.1:{port}"]
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, sys.argv[0], "celeriac", "flower", *elsewhere])
