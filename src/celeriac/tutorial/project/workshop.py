"""The tasks of the tutorial: plain Celery."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.request import urlopen

from celery import shared_task

LEDGER = Path(__file__).with_name("ledger.txt")


@shared_task
def write_down(what: object) -> int:
    """Add a line to the ledger; give its length in bytes."""
    line = f"{what}\n".encode()
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        # One write in append mode: lines of several workers never mix.
        return os.write(ledger, line)
    finally:
        os.close(ledger)


@shared_task
def count_primes(below: int) -> int:
    """Count the primes below a number, the slow way."""
    return sum(
        all(number % divisor for divisor in range(2, int(number**0.5) + 1)) for number in range(2, below)
    )


@shared_task
def ask(url: str) -> str:
    """Give what a web service answers; while it is out of order, urlopen raises an OSError."""
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - the tutorial's own service
        return str(answer.read().decode())


@shared_task
def add_prices(prices: list[str]) -> float:
    """Add prices like "12.50"."""
    return round(sum(map(float, prices)), 2)
