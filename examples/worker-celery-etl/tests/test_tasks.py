"""Each task by itself. A task that is called is a function; one that is sent runs inline, as a worker would run it."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from demo.users_api import UsersServer
from src import warehouse
from src.references import LARGEST_BYTES, give, take
from src.tasks.cleanup_tasks import cleanup_old_data
from src.tasks.etl_tasks import (
    UnknownUser,
    aggregate_results,
    extract_data,
    fetch_user_data,
    load_data,
    transform_data,
)
from src.tasks.ml_tasks import predict_batch, prepare_features, train_model
from src.tasks.report_tasks import generate_daily_report
from src.utils.metrics import read_runs

ROWS = [
    {"category": "A", "value": 10.0, "count": 1},
    {"category": "A", "value": 20.0, "count": 1},
    {"category": "B", "value": 15.0, "count": 1},
]


def test_rows_are_summed_up_by_category() -> None:
    assert take(transform_data(ROWS)) == [
        {"category": "A", "value": 30.0, "count": 2},
        {"category": "B", "value": 15.0, "count": 1},
    ]


def test_incomplete_rows_are_dropped() -> None:
    assert take(transform_data([*ROWS, {"category": None, "value": 1.0, "count": 1}])) == take(
        transform_data(ROWS)
    )


def test_large_data_travel_by_reference_and_come_back_whole() -> None:
    rows = [{"category": "A", "value": 1.0, "count": number} for number in range(5000)]
    given = give(rows)
    assert isinstance(given, dict)
    assert len(str(given)) < 100 < LARGEST_BYTES
    assert take(given) == rows
    assert give(rows) == given


def test_a_reference_to_another_file_is_refused() -> None:
    with pytest.raises(ValueError, match="is no reference"):
        take({"stored": "../../etc/passwd"})


def test_a_source_is_read_and_what_is_missing_is_null(sales: Path) -> None:
    rows = take(extract_data(str(sales)))
    assert len(rows) == 140
    assert any(row["value"] is None for row in rows)


def test_a_source_without_its_columns_is_no_case_for_retries(
    broken: Path, celeriac_letters: Any, celeriac_retried: Any
) -> None:
    extract_data.delay(str(broken))
    celeriac_retried.none(extract_data)
    celeriac_letters.one(extract_data, exception=ValueError)


def test_a_source_that_cannot_be_read_is_tried_again(celeriac_retried: Any) -> None:
    extract_data.delay("/no/such/file.csv")
    celeriac_retried.times(3, extract_data, exception=FileNotFoundError)


def test_rows_that_are_loaded_twice_are_there_once() -> None:
    for _ in range(2):
        assert load_data(ROWS[1:], "sales", "a batch") == {"rows_loaded": 2}
    assert [row["category"] for row in warehouse.totals("sales")] == ["A", "B"]
    assert sum(row["value"] for row in warehouse.totals("sales")) == 35.0


def test_a_table_is_no_place_for_sql() -> None:
    with pytest.raises(ValueError, match="is no name for a table"):
        load_data(ROWS, "sales; drop table sales")


async def fetched(user_id: int) -> dict[str, Any]:
    user: dict[str, Any] = await fetch_user_data(user_id)
    return user


def test_a_user_and_the_orders_are_fetched(users_api: UsersServer) -> None:
    user = asyncio.run(fetched(7))
    assert user["name"] == "Karen 7"
    assert user["orders"] >= 1
    assert user["spent"] > 0


def test_an_unknown_user_is_not_asked_for_again(
    users_api: UsersServer, celeriac_retried: Any, celeriac_letters: Any
) -> None:
    fetch_user_data.delay(4711)
    celeriac_retried.none(fetch_user_data)
    celeriac_letters.one(fetch_user_data, exception=UnknownUser)


def test_nobody_is_summed_up_to_nothing() -> None:
    assert aggregate_results([]) == {"total_users": 0, "summary": {"orders": 0, "spent": 0, "best": None}}


def test_a_model_is_trained_measured_and_used(tmp_path: Path) -> None:
    X_path, y_path, model_path = (str(tmp_path / name) for name in ("X.csv", "y.csv", "model.joblib"))
    prepare_features(X_path, y_path)
    trained = train_model(X_path, y_path, model_path)
    assert trained["rows_tested"] == 54
    assert 0.9 < trained["accuracy"] <= 1.0
    assert trained == train_model(X_path, y_path, model_path)
    assert predict_batch(model_path, X_path, str(tmp_path / "predicted.csv"))["rows"] == 178


def test_a_report_goes_first_and_is_of_no_use_tomorrow(celeriac_sent: Any) -> None:
    generate_daily_report.delay()
    sent = celeriac_sent.one(generate_daily_report, queue="default", priority=9)
    in_hours = (datetime.fromisoformat(sent.expires) - datetime.now(UTC)).total_seconds() / 3600
    assert 5.9 < in_hours <= 6


def test_the_report_of_a_day_has_what_was_loaded_that_day() -> None:
    load_data(ROWS[1:], "sales", "a batch")
    report = Path(generate_daily_report(str(datetime.now(UTC).date())))
    assert report.read_text().splitlines() == ["category,value,count", "A,20.0,1", "B,15.0,1"]
    assert Path(generate_daily_report("2020-01-01")).read_text().splitlines() == ["category,value,count"]


def test_only_what_is_old_is_cleaned_up(data_folder: Path) -> None:
    give([{"category": "A", "value": 1.0, "count": number} for number in range(5000)])
    [kept] = (data_folder / "aside").iterdir()
    assert cleanup_old_data() == {"aside": 0, "landed": 0, "reports": 0}
    os.utime(kept, (time.time() - 8 * 24 * 60 * 60,) * 2)
    assert cleanup_old_data() == {"aside": 1, "landed": 0, "reports": 0}


def test_runs_are_read_from_the_metrics_page() -> None:
    page = """\
# TYPE celery_tasks_processed_total counter
celery_tasks_processed_total{task_name="a",status="success"} 3.0
celery_tasks_processed_total{task_name="a",status="failure"} 1.0
# TYPE celery_task_duration_seconds histogram
celery_task_duration_seconds_sum{task_name="a"} 1.5
"""
    assert read_runs(page) == {"a": ({"success": 3, "failure": 1}, 1.5)}
