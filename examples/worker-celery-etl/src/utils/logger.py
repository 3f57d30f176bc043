"""The loggers of the project."""

from __future__ import annotations

import logging

from celery.utils.log import get_task_logger


def get_logger(name: str) -> logging.Logger:
    """Give the logger of a module; inside a task its lines say which task, which id, which queue, which attempt.

    Format and level are the plan's, [logs]; LOG_FORMAT=json writes one object a line.
    """
    return get_task_logger(name)
