"""Extract, transform, load; and work on many parts at once. Each task may run twice and do its work once."""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from src import warehouse
from src.celery_app import app
from src.config import load_config
from src.progress import report
from src.references import Data, Row, give, take
from src.utils.logger import get_logger

logger = get_logger(__name__)

#: what a source must have; a date is optional
COLUMNS = ("category", "value", "count")
PIECE_ROWS = 5_000


class UnknownUser(LookupError):
    """The API has no such user; asking again would not help."""


@app.task(bind=True)
def extract_data(self: Any, source_url: str) -> Data:
    """Read a CSV file, by its path or its URL, and report how many rows are read.

    Raises: ValueError if a column is missing, which no retry mends: the file is to be mended, and the letter replayed.
    """
    pieces = []
    rows = 0
    for piece in pd.read_csv(_opened(source_url), chunksize=PIECE_ROWS):
        pieces.append(piece)
        rows += len(piece)
        report(self, rows=rows)
    frame = pd.concat(pieces)
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise ValueError(f"{source_url} has no column {', '.join(missing)}")
    logger.info("extracted %d rows from %s", rows, source_url)
    return give(_records(frame))


@app.task
def transform_data(data: Data) -> Data:
    """Drop incomplete rows, and sum up the rest by category."""
    frame = pd.DataFrame(take(data)).dropna()
    if "date" in frame:
        frame["date"] = pd.to_datetime(frame["date"])
    summed = frame.groupby("category").agg({"value": "sum", "count": "sum"}).reset_index()
    return give(_records(summed))


@app.task(bind=True)
def load_data(self: Any, data: Data, destination: str, batch: str | None = None) -> dict[str, int]:
    """Load the rows into a table of the warehouse.

    batch: what they are known by, so that they are loaded once; else the workflow's id, which retries, redeliveries and
        replays share.
    """
    rows = take(data)
    batch = batch or self.request.root_id or hashlib.sha256(repr(rows).encode()).hexdigest()
    return {"rows_loaded": warehouse.load(destination, batch, rows)}


@app.task
def process_chunk(chunk_id: int, data: Data) -> dict[str, Any]:
    """Clean and sum up one part of a larger whole."""
    rows = take(data)
    summed = take(transform_data(data))
    return {"chunk_id": chunk_id, "processed": len(rows), "value": sum(row["value"] for row in summed)}


@app.task
async def fetch_user_data(user_id: int) -> dict[str, Any]:
    """Ask the API for a user and the user's orders, both at once.

    A worker of the pool `api` asks for a hundred users at the same time, in one process.
    Raises: UnknownUser; httpx.HTTPError if the API fails, which counts against its breaker.
    """
    config = load_config()
    async with httpx.AsyncClient(
        base_url=config.users_api_url, timeout=config.request_timeout_s, verify=_tls()
    ) as api:
        user, orders = await asyncio.gather(
            _get(api, f"/users/{user_id}"), _get(api, f"/users/{user_id}/orders")
        )
    spent = sum(order["amount"] for order in orders)
    return {"user_id": user_id, "name": user["name"], "orders": len(orders), "spent": round(spent, 2)}


@app.task
def aggregate_results(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum up what was fetched of all users."""
    best = max(results, key=lambda user: user["spent"], default=None)
    return {
        "total_users": len(results),
        "summary": {
            "orders": sum(user["orders"] for user in results),
            "spent": round(sum(user["spent"] for user in results), 2),
            "best": best and best["name"],
        },
    }


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes longer than asking; once a process is enough.
    return httpx.create_ssl_context()


async def _get(api: httpx.AsyncClient, path: str) -> Any:
    answer = await api.get(path)
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise UnknownUser(path)
    return answer.raise_for_status().json()


def _records(frame: pd.DataFrame) -> list[Row]:
    # JSON has no NaN: what is missing is null.
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(column): value for column, value in row.items()} for row in plain.to_dict("records")]


def _opened(source_url: str) -> io.BytesIO | Path:
    if not source_url.startswith(("http://", "https://")):
        return Path(source_url)
    answer = httpx.get(source_url, timeout=load_config().request_timeout_s, follow_redirects=True)
    return io.BytesIO(answer.raise_for_status().content)


def rows_of(source: Path) -> list[Row]:
    """Read the rows of a CSV file here and now, without a worker."""
    return take(extract_data(str(source)))
