"""Celery's own integration tests: taken from the source release of the installed version, kept in a cache."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

DOWNLOADS_WITHIN_S = 300


class NoSource(Exception):
    """The source release could not be fetched: no package index can be reached."""


def cache() -> Path:
    """The folder of what is fetched once for all runs; CELERIAC_TEST_CACHE names another."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "celeriac-tests"
    return Path(os.environ.get("CELERIAC_TEST_CACHE") or default)


def source_release() -> Path:
    """Give the source archive of exactly the Celery that is installed, fetching it if need be.

    Raises: NoSource, with what pip said.
    """
    name = f"celery-{version('celery')}.tar.gz"
    kept = cache() / name
    if kept.exists():
        return kept
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "celery", f"celery=={version('celery')}", "--dest", folder]
        try:
            fetched = subprocess.run(
                command, capture_output=True, text=True, timeout=DOWNLOADS_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise NoSource(f"no answer from the package index within {DOWNLOADS_WITHIN_S} s") from late
        if fetched.returncode:
            raise NoSource(fetched.stderr.strip() or fetched.stdout.strip())
        # Runs that meet here each have a whole file, and the last one stands.
        (Path(folder) / name).replace(kept)
    return kept


def unpack_tests(folder: Path) -> None:
    """Put `t/integration` into `folder`, with the pytest settings it is run by.

    Not Celery itself: beside its tests it would be imported in place of the installed one.
    """
    with tarfile.open(source_release()) as archive:
        wanted = []
        for member in archive.getmembers():
            _, _, path = member.name.partition("/")
            is_package = path.startswith("t/") and path.count("/") == 1 and path.endswith(".py")
            if path == "pyproject.toml" or is_package or path.startswith("t/integration/"):
                member.name = path
                wanted.append(member)
        archive.extractall(folder, wanted, filter="data")
