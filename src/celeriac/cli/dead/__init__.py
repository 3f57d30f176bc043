"""`celeriac dead`: the dead letters of a project.

`reads` shows them, `verbs` does something about them, `filters` says which ones are meant, `words` how they look.
"""

from __future__ import annotations

import click

from celeriac.cli.dead.reads import count, export, list_, show
from celeriac.cli.dead.verbs import discard, edit, replay


@click.group()
def command() -> None:
    """List, show, mend and replay dead letters.

    A task that failed for good is kept as a letter: its exact message, with reason and traceback. An ID may be
    shortened to any unique beginning.
    """


for each in (list_, count, show, replay, edit, discard, export):
    command.add_command(each)
