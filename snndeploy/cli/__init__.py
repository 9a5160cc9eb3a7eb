"""The command line: one file per command, in the order in which a newcomer meets them.

Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 a check failed, 2 bad
input or usage, 3 something that is needed is not installed.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from snndeploy import __version__
from snndeploy.cli._output import say
from snndeploy.errors import BadInput, SnndeployError, printable

COMMANDS = ("quickstart", "train", "export", "import", "check", "compile", "run", "verify", "show", "bench", "doctor")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Take a spiking neural network from snnTorch to Loihi 2, and run the very same integers on a CPU.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.callback()
def options(version: Version = False, debug: Debug = False) -> None:
    """The options before the command; `main` looks for --debug."""


for _name in COMMANDS:
    app.command(_name)(import_module(f"snndeploy.cli.{_name}").command)
app.add_typer(import_module("snndeploy.cli.lava").app, name="lava")


def main() -> None:
    """Run the command line; an error becomes one line per problem and its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was begun is cleaned up
    try:
        app()
    except SnndeployError as error:
        _leave(error, error.lines(), error.exit_code)
    except OSError as error:
        _leave(error, [printable(str(error))], BadInput.exit_code)


def _leave(error: Exception, lines: list[str], exit_code: int) -> NoReturn:
    if "--debug" in sys.argv[1:]:
        raise error
    for line in lines:
        say(f"snndeploy: {line}")
    sys.exit(exit_code)
