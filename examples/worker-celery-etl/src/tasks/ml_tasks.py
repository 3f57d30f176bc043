"""Training and using models.

scikit-learn is imported by the tasks, so that only the workers of `ml` hold it in memory.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from src.celery_app import app
from src.files import put
from src.progress import report
from src.utils.logger import get_logger

logger = get_logger(__name__)

TREES = 100
STEP = 10


@app.task
def prepare_features(X_path: str, y_path: str) -> list[str]:
    """Write a real data set (178 wines of three growers, 13 measurements each), with one feature more, as two files."""
    from sklearn.datasets import load_wine

    wines = load_wine(as_frame=True)
    features = wines.data.assign(phenol_ratio=wines.data["flavanoids"] / wines.data["total_phenols"])
    put(Path(X_path), features.to_csv(index=False).encode())
    put(Path(y_path), wines.target.to_csv(index=False).encode())
    return [X_path, y_path]


@app.task(bind=True)
def train_model(
    self: Any, X_path: str, y_path: str, model_path: str, max_depth: int | None = None
) -> dict[str, Any]:
    """Train a random forest, report the trees grown, measure its accuracy on rows it has not seen, and save it.

    max_depth: of a tree; None: as deep as it takes.
    Returns: model_path, accuracy (0 to 1), rows_trained, rows_tested, max_depth.
    """
    import joblib
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    features, target = pd.read_csv(X_path), pd.read_csv(y_path).iloc[:, 0]
    # Seeds: a run that is repeated after a crash gives the same model.
    X_train, X_test, y_train, y_test = train_test_split(
        features, target, test_size=0.3, stratify=target, random_state=0
    )
    model = RandomForestClassifier(n_estimators=0, max_depth=max_depth, warm_start=True, random_state=0)
    for trees in range(STEP, TREES + 1, STEP):
        model.set_params(n_estimators=trees).fit(X_train, y_train)
        report(self, progress=trees, total=TREES)
    accuracy = float(model.score(X_test, y_test))
    saved = io.BytesIO()
    joblib.dump(model, saved)
    put(Path(model_path), saved.getvalue())
    logger.info("trained %s: accuracy %.3f", model_path, accuracy)
    return {
        "model_path": model_path,
        "accuracy": accuracy,
        "rows_trained": len(X_train),
        "rows_tested": len(X_test),
        "max_depth": max_depth,
    }


@app.task
def predict_batch(model_path: str, X_path: str, output_path: str) -> dict[str, Any]:
    """Classify every row of a file. A model file can run code when it is read: only load what train_model has saved."""
    import joblib
    import pandas as pd

    predicted = joblib.load(model_path).predict(pd.read_csv(X_path))
    put(Path(output_path), pd.DataFrame({"predicted": predicted}).to_csv(index=False).encode())
    return {"output_path": output_path, "rows": len(predicted)}


@app.task
def choose_best(trained: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the training with the greatest accuracy; of equals, the first."""
    return max(trained, key=lambda each: float(each["accuracy"]))
