"""Which policy of the plan governs a task."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from celeriac.plan.model import Plan
from celeriac.plan.tables.tasks import Policy

_WILDCARD = re.compile(r"[*?]|\[[^\]]*\]?")


def policy_for(plan: Plan, task_name: str) -> Policy:
    """Give the policy of the most exact glob that matches, whole: entries are never merged.

    Exactness: the full name first; then the glob with the longest text before its first wildcard; then the one with
    the most characters that are not wildcards; then the one written first in the plan.
    Globs: `*` any text, dots included; `?` one character; `[ab]` one of these. Case counts.
    Returns: an empty Policy if nothing matches.
    """
    exact = plan.tasks.get(task_name)
    if exact is not None:
        return exact
    matching = [glob for glob in plan.tasks if fnmatchcase(task_name, glob)]
    if not matching:
        return Policy()
    # max() keeps the first of equals, which is the one written first.
    return plan.tasks[max(matching, key=exactness)]


def is_guarded(plan: Plan) -> bool:
    """Say whether a plan seals or signs anything; where it names keys, code may seal tasks of its own."""
    security = plan.security
    sealed = security.encrypt or any(policy.encrypt for policy in plan.tasks.values())
    return bool(sealed or security.keys or security.senders)


def exactness(glob: str) -> tuple[int, int]:
    """Rank a glob: characters before its first wildcard, then characters that are no wildcard."""
    wild = _WILDCARD.search(glob)
    return (wild.start() if wild else len(glob), len(_WILDCARD.sub("", glob)))


def is_glob(name: str) -> bool:
    """Say whether a key under [tasks] is a glob rather than the full name of one task."""
    return _WILDCARD.search(name) is not None
