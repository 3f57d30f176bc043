"""`celeriac keys`: the keys that payloads are sealed with, and the key pairs of senders."""

from __future__ import annotations

import click


@click.group()
def command() -> None:
    """Make the keys that payloads are sealed with and messages signed."""


@command.command()
@click.option(
    "--sender",
    metavar="NAME",
    help="A pair for this sender instead: one half signs, the plan names the other.",
)
def new(sender: str | None) -> None:
    """Print a new key, for the variable that `[security].keys` names.

    It is kept nowhere: whoever loses it cannot open what was sealed with it.
    """
    from celeriac.security import new_key, new_signing_pair

    if sender is None:
        click.echo(new_key())
        return
    private, public = new_signing_pair()
    click.echo("# for the program, and nobody else:", err=True)
    click.echo(f"CELERIAC_SENDER={sender}")
    click.echo(f"CELERIAC_SIGNING_KEY={private}")
    click.echo("# for the plan:", err=True)
    click.echo(f'[security.senders."{sender}"]\nkey = "{public}"\ntasks = []', err=True)
