"""Writing examples/worker-celery-etl, which is exactly what its template generates.

python -m celeriac.scaffold.example            write it anew
"""

from __future__ import annotations

from pathlib import Path

from celeriac.scaffold.answers import Answers
from celeriac.scaffold.render import render

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "worker-celery-etl"
# It installs the checkout it stands in.
ANSWERS = Answers(name=FOLDER.name, template="etl", broker="redis", celeriac="../..")


def main() -> None:
    """Write every file; one that is no longer generated stays, and the test names it."""
    for path, text in render(ANSWERS).items():
        target = FOLDER / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
