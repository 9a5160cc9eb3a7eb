"""`snndeploy lava install`: the environment that Lava's worker needs."""

from __future__ import annotations

import typer

from snndeploy.cli._output import progress, say

app = typer.Typer(no_args_is_help=True, help="Lava's worker environment.")


@app.callback()
def group() -> None:
    """Lava's worker environment: a Python 3.10 with lava-nc, in your cache folder."""


@app.command("install")
def install_command() -> None:
    """Make the environment (about 0.3 GB, half a minute); does nothing where it is there."""
    from snndeploy.simulators._lava_env import install

    with progress("making Lava's environment", None):
        python = install()
    say(f"Lava's worker runs under {python}")
