"""The command ``valleyfill``: thin wrappers, loaded when they are asked for.

Exit codes follow sysexits: 0; 2 usage; 65 data that is not what it claims to be; 70 a fault of
ours; 75 temporary (broker, store or disk not to be had, try again); 78 configuration.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import typer

from adapters.cli_output import print_document, say
from models.errors import (
    ConfigurationError,
    DataError,
    InvalidValueError,
    StoreError,
    TariffError,
    ValleyfillError,
)

EX_USAGE = 2
EX_DATAERR = 65
EX_SOFTWARE = 70
EX_TEMPFAIL = 75
EX_CONFIG = 78

COMMANDS = {
    "run": "adapters.cli_run:run",
    "check": "adapters.cli_check:check",
    "demo": "adapters.cli_demo:demo",
    "simulate": "adapters.cli_simulate:simulate",
    "plan": "adapters.cli_plan:plan",
    "page": "adapters.cli_page:page",
    "explain": "adapters.cli_explain:explain",
    "replay": "adapters.cli_replay:replay",
    "report": "adapters.cli_report:report",
    "study": "adapters.cli_study:app",
    "top": "adapters.cli_top:top",
    "site": "adapters.cli_site:app",
    "tariff": "adapters.cli_tariff:app",
    "store": "adapters.cli_store:app",
    "bill": "adapters.cli_bill:bill",
    "aggregate": "adapters.cli_aggregate:aggregate",
    "forecast": "adapters.cli_forecast:forecast",
    "version": "adapters.cli_version:version",
}
"""Where each command lives: a function with typer's annotations, or a typer app."""

PLUGINS = "valleyfill.commands"
"""Entry points of this group are mounted as commands of their own name."""


def build_app(argv: Sequence[str]) -> typer.Typer:
    """The app with the command that ``argv`` names, or with all of them when it names none.

    Only what is asked for is imported: ``valleyfill version`` loads neither pandas nor a solver.
    """
    app = typer.Typer(
        name="valleyfill",
        help="Fills the night valley, shaves the day peak (削峰填谷).",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root() -> None:
        """Fills the night valley, shaves the day peak (削峰填谷)."""

    word = next((a for a in argv if not a.startswith("-")), None)
    if word in COMMANDS:
        _mount(app, word, _load(COMMANDS[word]))
        return app
    plugins = {e.name: e for e in entry_points(group=PLUGINS)}
    if word in plugins:
        _mount(app, word, plugins[word].load())
        return app
    for name, place in COMMANDS.items():
        _mount(app, name, _load(place))
    for name, entry in plugins.items():
        _mount_plugin(app, name, entry)
    return app


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _mount(app: typer.Typer, name: str, command: Any) -> None:
    if not isinstance(command, typer.Typer):
        app.command(name)(command)
        return
    single = command.registered_commands
    alone = len(single) == 1 and not command.registered_groups
    if alone and command.registered_callback is None and single[0].callback is not None:
        app.command(name)(single[0].callback)
    else:
        app.add_typer(command, name=name)


def _mount_plugin(app: typer.Typer, name: str, entry: Any) -> None:
    try:
        _mount(app, name, entry.load())
    except ImportError as error:
        # A plug-in whose extras are not installed must not take the others' help away.
        say(f"the command {name!r} is not to be had: {error}", style="yellow")


def exit_code(error: BaseException) -> int:
    """The sysexits code of an error."""
    if isinstance(error, DataError):
        return EX_DATAERR
    if isinstance(error, ConfigurationError | TariffError | InvalidValueError):
        return EX_CONFIG
    if isinstance(error, StoreError | OSError):
        return EX_TEMPFAIL
    return EX_SOFTWARE


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        build_app(arguments)(arguments, prog_name="valleyfill")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else (0 if stop.code is None else 1)
    except BrokenPipeError:
        sys.stderr.close()
        return EX_TEMPFAIL
    except (ValleyfillError, OSError) as error:
        return _tell(error, as_json="--json" in arguments)
    except Exception:
        traceback.print_exc()
        say("valleyfill: this is a fault of the program, please report it", style="red")
        return EX_SOFTWARE
    return 0


def _tell(error: ValleyfillError | OSError, *, as_json: bool) -> int:
    code = exit_code(error)
    say(f"valleyfill: {error}", style="red")
    if as_json:
        told = {"code": "temporary", "what": str(error), "where": "", "fix": ""}
        if isinstance(error, ValleyfillError):
            told = {"code": error.code, "what": error.what, "where": error.where, "fix": error.fix}
        print_document({"error": told, "exit": code})
    return code


if __name__ == "__main__":
    sys.exit(main())
