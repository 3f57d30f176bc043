"""The tour: what a user of the project would do, and what comes of it. Run by `make demo`, while the plan runs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from demo.screen import PATIENCE_S, celeriac, holds, result, say, title, until
from demo.users_api import USERS
from src import warehouse
from src.config import load_config
from src.files import put
from src.tasks.etl_tasks import extract_data, rows_of
from src.tasks.ml_tasks import prepare_features, train_model
from src.tasks.report_tasks import TABLE, generate_daily_report
from src.tasks.sync_tasks import sync_data
from src.utils.metrics import fetch_page, read_runs
from src.workflows.data_pipeline import (
    fetch_few_users,
    fetch_many_users,
    process_all_users,
    process_in_parallel,
    process_one_by_one,
    run_etl_pipeline,
)
from src.workflows.ml_pipeline import run_training, tune

SALES = Path("sample/sales.csv")
BROKEN = Path("sample/broken.csv")
MODELS = Path("models").absolute()


def main() -> None:
    """Show everything. What does not hold ends it, with exit code 1."""
    show_etl()
    show_parts()
    show_users()
    show_training()
    show_letter()
    show_report()


def show_etl() -> None:
    title("A chain: extract, transform, load")
    loaded = result(run_etl_pipeline(str(SALES.absolute()), TABLE))
    say(f"{SALES}: {loaded['rows_loaded']} categories are in the warehouse")


def show_parts() -> None:
    title("A group and a starmap: the weeks of a file")
    rows = rows_of(SALES)
    weeks = [rows[start : start + 35] for start in range(0, len(rows), 35)]
    parallel = process_in_parallel(weeks)
    say(f"{len(parallel)} at once: " + ", ".join(f"{part['value']:.2f}" for part in parallel))
    holds(process_one_by_one(weeks).get(timeout=PATIENCE_S) == parallel, "one after the other gives the same")


def show_users() -> None:
    title("A chord, a map and chunks: the users of an HTTP API")
    users = result(process_all_users(list(USERS)))
    summary = users["summary"]
    say(f"{users['total_users']} users, {summary['orders']} orders, {summary['spent']:.2f} spent")
    few = fetch_few_users([1, 2, 3]).get(timeout=PATIENCE_S)
    many = [user for chunk in fetch_many_users(list(USERS)).get(timeout=PATIENCE_S) for user in chunk]
    holds(many[:3] == few and len(many) == len(USERS), "a map and chunks give the same users")


def show_training() -> None:
    title("A model is trained, and tuned")
    X_path, y_path = prepare_features.delay(str(MODELS / "X.csv"), str(MODELS / "y.csv")).get(
        timeout=PATIENCE_S
    )
    training = train_model.delay(X_path, y_path, str(MODELS / "model.joblib"))
    seen = 0
    while not training.ready():
        state, how_far = str(training.state), training.info
        if state == "PROGRESS" and how_far["progress"] > seen:
            seen = how_far["progress"]
            say(f"{seen} of {how_far['total']} trees")
        time.sleep(0.05)
    trained = training.get(timeout=PATIENCE_S)
    say(f"right on {trained['accuracy']:.1%} of {trained['rows_tested']} wines it had not seen")
    predicted = result(run_training(MODELS))
    say(f"{predicted['rows']} wines classified: {Path(predicted['output_path']).name}")
    best = result(tune(MODELS, depths=[1, 2, 4]))
    say(f"of the depths 1, 2 and 4, {best['max_depth']} is best: {best['accuracy']:.1%}")


def show_letter() -> None:
    title("A file with a fault: its task becomes a letter, is mended and replayed")
    before = total()
    fault = BROKEN.read_text() + f"2026-03-01,seen at {datetime.now(UTC):%H:%M:%S},1.00,1\n"
    put(load_config().data_folder / "incoming" / BROKEN.name, fault.encode())
    sync_data.delay().get(timeout=PATIENCE_S)
    [letter] = until(lambda: json.loads(celeriac("dead", "list", "--task", extract_data.name, "--json")))
    say(f"{letter['task']}: {letter['message']}")
    for landed in (load_config().data_folder / "landed").glob(f"*-{BROKEN.name}"):
        put(landed, landed.read_bytes().replace(b"kategory", b"category"))
    say(celeriac("dead", "replay", letter["id"], "--yes").strip())
    until(lambda: total() > before)
    say(f"the rest of its chain ran too: the warehouse held {before:.2f}, and holds {total():.2f}")


def show_report() -> None:
    title("The report, and what the metrics say")
    say(Path(generate_daily_report.delay(str(datetime.now(UTC).date())).get(timeout=PATIENCE_S)).read_text())
    for name, runs in sorted(read_runs(fetch_page()).items()):
        say(f"{name:<46} {sum(runs.ended.values()):>3} runs, {runs.seconds:.2f} s in all")


def total() -> float:
    """The value of everything in the warehouse."""
    return float(sum(row["value"] for row in warehouse.totals(TABLE)))


if __name__ == "__main__":
    main()
