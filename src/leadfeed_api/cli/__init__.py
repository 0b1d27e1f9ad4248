"""The ``leadfeed`` command: serving, administration, imports, the demo. One module a family of commands."""

import signal
from typing import Annotated

import typer

from leadfeed_api import __version__
from leadfeed_api.cli import administration, deliver, demo, marketo, retier, serve
from leadfeed_api.cli.context import warn_of_misspelled_settings
from leadfeed_api.db.revision import NEWEST

app = typer.Typer(
    name="leadfeed",
    help="The lead feed for any CRM.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
organizations = typer.Typer(help="Organisations, the service's customers.", no_args_is_help=True)
keys = typer.Typer(help="API keys of an organisation.", no_args_is_help=True)
imports = typer.Typer(help="Imports of other systems' exports.", no_args_is_help=True)
app.add_typer(organizations, name="org")
app.add_typer(keys, name="key")
app.add_typer(imports, name="import")

app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("deliver")(deliver.deliver)
app.command("migrate")(administration.migrate)
app.command("token")(administration.token)
app.command("check")(administration.check)
app.command("restored")(administration.restored)
app.command("retier")(retier.retier)
app.command("openapi")(administration.openapi)
organizations.command("create")(administration.create_organization)
keys.command("create")(administration.create_key)
imports.command("marketo")(marketo.import_marketo)


def _version(asked: bool) -> None:
    if asked:
        print(f"leadfeed {__version__}, schema {NEWEST}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and its schema's.")
    ] = False,
) -> None:
    """The lead feed for any CRM."""
    warn_of_misspelled_settings()


def main() -> None:
    """What the installed ``leadfeed`` script runs."""
    # As Ctrl-C does, SIGTERM has the database stop what it was told to do. And Linux keeps from the first process of a
    # container each signal for which that has no handler. Not where a script that runs this beside it ignores Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    app()
