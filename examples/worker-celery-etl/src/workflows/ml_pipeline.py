"""Training a model, from its data to its predictions, and finding its best parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from celery import chain, chord

from src.tasks.ml_tasks import choose_best, predict_batch, prepare_features, train_model


def run_training(folder: Path) -> str:
    """Prepare the data, train, classify every row with the new model; give the id of the last task."""
    X_path, y_path, model_path = _paths(folder)
    pipeline = chain(
        prepare_features.si(X_path, y_path),
        train_model.si(X_path, y_path, model_path),
        predict_batch.si(model_path, X_path, str(folder / "predicted.csv")),
    )
    return str(pipeline.apply_async().id)


def tune(folder: Path, depths: Sequence[int]) -> str:
    """Train with each depth, all at once, and choose the best; give the id of the choice."""
    X_path, y_path, _ = _paths(folder)
    trained = [
        train_model.si(X_path, y_path, str(folder / f"model-{depth}.joblib"), max_depth=depth)
        for depth in depths
    ]
    return str(chain(prepare_features.si(X_path, y_path), chord(trained, choose_best.s())).apply_async().id)


def _paths(folder: Path) -> tuple[str, str, str]:
    folder = folder.absolute()
    return str(folder / "X.csv"), str(folder / "y.csv"), str(folder / "model.joblib")
