"""Whole workflows: inline, which takes milliseconds, and on a worker process, as in production."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from celery import group

from demo.users_api import USERS, UsersServer
from src import warehouse
from src.celery_app import app
from src.tasks.etl_tasks import extract_data, fetch_user_data, load_data, rows_of, transform_data
from src.tasks.ml_tasks import train_model
from src.tasks.sync_tasks import sync_data
from src.workflows.data_pipeline import (
    fetch_few_users,
    fetch_many_users,
    process_all_users,
    process_in_parallel,
    process_one_by_one,
    run_etl_pipeline,
)
from src.workflows.ml_pipeline import run_training, tune


def result(task_id: str) -> Any:
    return app.AsyncResult(task_id).get(timeout=60)


def test_the_etl_pipeline_loads_a_file(sales: Path, celeriac_sent: Any) -> None:
    assert result(run_etl_pipeline(str(sales), "sales")) == {"rows_loaded": 5}
    complete = [row for row in rows_of(sales) if None not in row.values()]
    assert sum(row["count"] for row in warehouse.totals("sales")) == sum(row["count"] for row in complete)
    for task in (extract_data, transform_data, load_data):
        celeriac_sent.one(task, queue="etl")


@pytest.mark.celeriac("process", pool="etl")
def test_the_etl_pipeline_runs_on_the_worker_of_its_queue(sales: Path) -> None:
    assert result(run_etl_pipeline(str(sales), "sales")) == {"rows_loaded": 5}
    assert len(warehouse.totals("sales")) == 5


def test_parts_in_parallel_and_one_by_one_give_the_same(sales: Path, celeriac_bench: Any) -> None:
    rows = rows_of(sales)
    parts = [rows[:70], rows[70:]]
    parallel = process_in_parallel(parts)
    assert [part["processed"] for part in parallel] == [70, 70]
    assert process_one_by_one(parts).get(timeout=60) == parallel


def test_all_users_are_fetched_then_summed_up(users_api: UsersServer, celeriac_bench: Any) -> None:
    summed = result(process_all_users(list(USERS)))
    assert summed["total_users"] == 30
    assert summed["summary"]["orders"] > 30


def test_a_map_and_chunks_fetch_the_same_users(users_api: UsersServer, celeriac_bench: Any) -> None:
    few = fetch_few_users([1, 2, 3]).get(timeout=60)
    chunks = fetch_many_users([1, 2, 3], at_once=2).get(timeout=60)
    assert [len(chunk) for chunk in chunks] == [2, 1]
    assert [user for chunk in chunks for user in chunk] == few


@pytest.mark.celeriac("process", pool="api")
def test_one_worker_fetches_many_users_at_once(users_api: UsersServer) -> None:
    users_api.together = threading.Barrier(20)
    try:
        users = group(fetch_user_data.s(user_id) for user_id in USERS).apply_async().get(timeout=60)
    finally:
        users_api.together = None
    assert [user["user_id"] for user in users] == list(USERS)


def test_a_file_is_taken_in_once_however_often_it_comes(
    data_folder: Path, sales: Path, celeriac_letters: Any
) -> None:
    incoming = data_folder / "incoming"
    incoming.mkdir(parents=True)
    for name in ("first.csv", "again.csv"):
        (incoming / name).write_bytes(sales.read_bytes())
        assert sync_data.delay().get(timeout=60) == [name]
    assert list(incoming.iterdir()) == []
    once = sum(row["count"] for row in rows_of(sales) if None not in row.values())
    assert sum(row["count"] for row in warehouse.totals("sales")) == once
    celeriac_letters.none()


def test_a_faulty_file_is_mended_and_the_rest_of_its_chain_follows(
    tmp_path: Path, broken: Path, celeriac_letters: Any
) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(broken.read_bytes())
    run_etl_pipeline(str(copy), "sales")
    celeriac_letters.one(extract_data, exception=ValueError)
    copy.write_bytes(broken.read_bytes().replace(b"kategory", b"category"))
    assert celeriac_letters.replay(extract_data) == 1
    assert len(warehouse.totals("sales")) == 5


def test_a_model_is_trained_in_the_queue_for_it(tmp_path: Path, celeriac_sent: Any) -> None:
    assert result(run_training(tmp_path))["rows"] == 178
    celeriac_sent.one(train_model, queue="ml")


def test_the_best_depth_is_chosen(tmp_path: Path, celeriac_bench: Any) -> None:
    assert result(tune(tmp_path, depths=[1, 4]))["max_depth"] in (1, 4)
