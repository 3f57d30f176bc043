"""The data pipelines, of chains, groups, chords, maps, starmaps and chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery import chain, chord, group

from src.config import load_config
from src.files import put
from src.references import Row, give
from src.tasks.etl_tasks import (
    aggregate_results,
    extract_data,
    fetch_user_data,
    load_data,
    process_chunk,
    transform_data,
)


def run_etl_pipeline(source_url: str, destination: str) -> str:
    """Extract, then transform, then load; give the id of the last task.

    Asked for twice, the rows are there twice. `take_in` loads a file once.
    """
    pipeline = chain(extract_data.s(source_url), transform_data.s(), load_data.s(destination))
    return str(pipeline.apply_async().id)


def take_in(source: Path, destination: str) -> str:
    """Load a file once, whatever its name and however often asked, and delete it; give the id of the last task.

    The pipeline works on a copy in DATA_DIR/landed, so that a killed sender leaves nothing half done: the file is still
    there and is taken in again, as the same batch.
    """
    content = source.read_bytes()
    batch = hashlib.sha256(content).hexdigest()
    landed = put(load_config().data_folder / "landed" / f"{batch[:12]}-{source.name}", content)
    pipeline = chain(extract_data.s(str(landed)), transform_data.s(), load_data.s(destination, batch))
    last = str(pipeline.apply_async().id)
    source.unlink()
    return last


def process_in_parallel(data_chunks: Sequence[list[Row]], timeout_s: float = 300) -> list[dict[str, Any]]:
    """Work on all chunks at once, wait, and give what came of each. Not from a task: that would wait for a worker."""
    job = group(process_chunk.s(number, give(chunk)) for number, chunk in enumerate(data_chunks))
    results: list[dict[str, Any]] = job.apply_async().get(timeout=timeout_s)
    return results


def process_one_by_one(data_chunks: Sequence[list[Row]]) -> Any:
    """Work on all chunks in one task, one after the other (starmap); give its AsyncResult."""
    return process_chunk.starmap(
        [(number, give(chunk)) for number, chunk in enumerate(data_chunks)]
    ).apply_async()


def process_all_users(user_ids: Sequence[int]) -> str:
    """Fetch all users at once, then sum them up; give the id of the sum."""
    job = chord((fetch_user_data.s(user_id) for user_id in user_ids), aggregate_results.s())
    return str(job.apply_async().id)


def fetch_few_users(user_ids: Sequence[int]) -> Any:
    """Fetch users in one task, one after the other (map): for few. Give its AsyncResult."""
    return fetch_user_data.map(list(user_ids)).apply_async()


def fetch_many_users(user_ids: Sequence[int], at_once: int = 10) -> Any:
    """Fetch users, so many a task (chunks): for thousands. Give the GroupResult."""
    return fetch_user_data.chunks([(user_id,) for user_id in user_ids], at_once).apply_async()
