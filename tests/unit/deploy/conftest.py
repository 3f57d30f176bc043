"""The plan that is rendered, and what it is rendered to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from celeriac.deploy.targets import read_plan_as_written
from celeriac.plan import Plan

HERE = Path(__file__).parent
#: a variable the plan needs, and every secret a machine might have: none may be found in what is rendered
SECRETS = {
    "SENTRY_DSN": "https://s3cret-dsn@sentry.example/1",
    "CELERY_BROKER_URL": "redis://:s3cret-broker@redis.example:6379/0",
    "STATE_URL": "postgresql://me:s3cret-state@db.example/x",
    "FLOWER_BASIC_AUTH": "me:s3cret-flower",
    "REDIS_PASSWORD": "s3cret-redis",
}


@pytest.fixture
def assistant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan with most of what can be rendered, read where its folder is always called the same."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "assistant"
    folder.mkdir()
    shutil.copy(HERE / "assistant.toml", folder / "celeriac.toml")
    (folder / "requirements.txt").write_text("celeriac[redis]\n")
    return read_plan_as_written(folder / "celeriac.toml")
