"""The image: one for every process of the plan, run as nobody special, with dependencies in a layer of their own."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from celeriac import __version__
from celeriac.deploy.units import image_of, writable_folders
from celeriac.plan import Plan, is_guarded
from celeriac.plan.flowers import flowers_of

FILE, IGNORED = "Dockerfile", ".dockerignore"

_HEAD = """# {name}: one image for every process of the plan, written by `celeriac render dockerfile`.
#   docker build --tag {image} .
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app
"""
_TAIL = """
FROM python:3.11-slim
# The user has a number, so that a cluster can see that it is not root.
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin celeriac \\
 && mkdir -p {writable} \\
 && chown 10001 {writable}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
USER 10001
# The command is the process itself, with no shell before it: SIGTERM reaches the worker, which drains.
STOPSIGNAL SIGTERM
CMD {command}
"""
_IGNORE = """# Written by `celeriac render dockerfile`. What no image should hold: secrets, state, what is built anew.
**/.env
**/.env.*
!**/.env.example
.git
.celeriac
**/.venv
**/venv
**/__pycache__
**/*.py[co]
**/.pytest_cache
**/.mypy_cache
**/.ruff_cache
**/*.sqlite3
**/*.db
"""
#: what prints the dependencies of a pyproject.toml, so that a change of the code does not install them again
_LIST = (
    "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; "
    "print(*project.get('dependencies', []), sep='\\n')"
)


def render(plan: Plan) -> dict[str, str]:
    """Give the Dockerfile and its .dockerignore.

    How the project is installed is read off its folder: a pyproject.toml with [project], else a requirements.txt, else
    Celeriac alone.
    """
    head = _HEAD.format(name=plan.name, image=image_of(plan))
    writable = " ".join(f"/app/{folder}" for folder in (".celeriac", *writable_folders(plan)))
    return {
        FILE: head + _install(plan) + _TAIL.format(command='["celeriac", "up"]', writable=writable),
        IGNORED: _IGNORE,
    }


def _install(plan: Plan) -> str:
    folder = plan.folder
    project = _project(folder / "pyproject.toml")
    if project is not None and "dependencies" not in project.get("dynamic", ()):
        lines = [
            "# Dependencies first: this layer is built anew only when they change.",
            "COPY pyproject.toml ./",
            f'RUN python -c "{_LIST}" > /tmp/dependencies.txt \\',
            " && pip install --requirement /tmp/dependencies.txt",
        ]
        if _is_package(folder):
            lines += ["COPY . .", "RUN pip install --no-deps ."]
        return "\n".join(lines) + "\n"
    if (folder / "requirements.txt").is_file():
        return (
            "# Dependencies first: this layer is built anew only when they change.\n"
            "COPY requirements.txt ./\nRUN pip install --requirement requirements.txt\n"
        )
    # The version that has read this plan: an image that is built again is the same.
    return (
        "# There is no pyproject.toml and no requirements.txt here: this is all.\n"
        f"RUN pip install 'celeriac{_extras(plan)}=={__version__}'\n"
    )


def _extras(plan: Plan) -> str:
    """Give the extras of Celeriac that the plan needs, as pip writes them; empty if none."""
    schemes = [getattr(plan, key).partition(":")[0] for key in ("broker", "results", "state", "coordination")]
    needed = {
        "flower": bool(flowers_of(plan)),
        "postgres": any("postgres" in scheme for scheme in schemes),
        "redis": any(scheme.startswith(("redis", "sentinel")) for scheme in schemes),
        "security": is_guarded(plan),
        "sentry": plan.sentry is not None,
    }
    names = ",".join(name for name, is_needed in needed.items() if is_needed)
    return f"[{names}]" if names else ""


def _project(file: Path) -> dict[str, Any] | None:
    try:
        project = tomllib.loads(file.read_text()).get("project")
    except (OSError, ValueError):
        return None
    return project if isinstance(project, dict) else None


def _is_package(folder: Path) -> bool:
    """Say whether the folder is installed as a package; without a build system it is run from where it lies."""
    try:
        return "build-system" in tomllib.loads((folder / "pyproject.toml").read_text())
    except (OSError, ValueError):
        return False
