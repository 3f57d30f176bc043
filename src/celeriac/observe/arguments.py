"""Arguments as the plan lets them be kept: not at all, without texts, or as Celery writes them."""

from __future__ import annotations

import re

from celeriac.plan.tables.records import Arguments

CHARS_MAX = 2048
#: digits a number keeps; longer ones may be of a card, a telephone or an account
_DIGITS_MAX = 9
_TOKEN = re.compile(
    r"""(?P<text>[bBuU]?(?:'(?:\\.|[^'\\])*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\Z)))"""
    r"|(?P<number>[-+]?\b[0-9][0-9_.]*(?:[eE][-+]?[0-9]+)?j?\b)"
    r"|(?P<word>\b(?:None|True|False|nan|inf)\b)"
    r"|(?P<mark>[()\[\]{},:=\s]|\.\.\.)"
    r"|(?P<other>[^()\[\]{},:=\s'\"]+)",
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
_SECRET = re.compile(
    r"pass|pwd|secret|token|key|auth|credential|cookie|session|pin\b|cvv|iban|card|ssn", re.IGNORECASE
)


def kept(written: str | None, allowed: Arguments) -> str | None:
    """Give the arguments as they may be kept; None if they may not be, or are not known.

    written: as `repr` writes them, perhaps cut off anywhere.
    """
    if written is None or allowed == "none":
        return None
    return _cut(written if allowed == "full" else redacted_arguments(_cut(written)))


def redacted_arguments(written: str) -> str:
    """Give arguments without their texts: numbers, truths, names of keys and the shape stay.

    A text becomes its length; what is too long for a number, anything else, and every value whose key speaks of a
    secret, become a bare "…".
    """
    shown: list[str] = []
    depth = 0
    secret_depth: int | None = None
    for token in _TOKEN.finditer(written):
        kind, said = token.lastgroup, token[0]
        if kind == "mark":
            depth += (said in "([{") - (said in ")]}")
            if secret_depth is not None and (depth < secret_depth or (said == "," and depth == secret_depth)):
                secret_depth = None
            shown.append(said)
        elif kind == "text" and _is_key(written, token.end()) and _NAME.match(_inside(said)):
            if secret_depth is None and _SECRET.search(said):
                secret_depth = depth
            shown.append(said)
        elif secret_depth is not None or kind == "other" or sum(map(str.isdigit, said)) > _DIGITS_MAX:
            shown.append("'…'" if kind == "text" else "…")
        elif kind == "text":
            shown.append(f"'…{len(_inside(said))}'" if _inside(said) else said)
        else:
            shown.append(said)
    return "".join(shown)


def _inside(text: str) -> str:
    quoted = text.lstrip("bBuU")
    return quoted[1:-1] if len(quoted) > 1 and quoted[-1] == quoted[0] else quoted[1:]


def _is_key(written: str, end: int) -> bool:
    return written[end : end + 3].lstrip(" ").startswith(":")


def _cut(written: str) -> str:
    return written if len(written) <= CHARS_MAX else written[: CHARS_MAX - 1] + "…"
