"""The commands and how they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from annvil import __version__
from annvil.cli import arguments as a
from annvil.cli.error_handling import guarded
from annvil.data.plugins import leave_out
from annvil.kinds.base import Kind
from annvil.kinds.commands import Command, FitCommand
from annvil.kinds.registry import command_options, fit_options, kinds
from annvil.options import FitOptions, declared

app = typer.Typer(
    help="Is a neural network the right tool for this data? An answer with evidence, and the model, ready to ship.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"annvil {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
@guarded
@a.taking(fit_options())
def fit(
    data: a.Data,
    show_preparation: a.ShowPreparation = False,
    as_json: a.Json = False,
    quiet: a.Quiet = False,
    events: a.Events = None,
    **options: Any,
) -> None:
    """Compare networks and simpler models on your data: a verdict, a report, a model."""
    from annvil.cli.fitting import Shown, fit

    fit(data, options, Shown(show_preparation, as_json, quiet, events))


@app.command()
@guarded
@a.taking(command_options("predict").values())
def predict(
    model: a.Model,
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help=a.news(), show_default=False)],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="CSV file to write; - is standard output.")
    ] = "-",
    keep: Annotated[bool, typer.Option("--keep", help="Copy the columns of DATA in front of the predictions.")] = False,
    **options: Any,
) -> None:
    """Predict with a saved model: a CSV of classes and probabilities, or of numbers."""
    from annvil.cli.predicting import predict

    predict(model, data, out, options, keep=keep)


@app.command()
@guarded
@a.taking(command_options("explain").values())
def explain(
    model: a.Model,
    one: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="What the model is to predict; without it the whole model.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File of what can be looked at: .html, .csv or .json of tables, .png of other data.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--class",
            "--label",
            metavar="NAME",
            help="Explain this class, not the one the model decides for.",
            show_default=False,
        ),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only write a page and say where it is.")] = False,
    as_json: a.Json = False,
    **options: Any,
) -> None:
    """Say why a model says what it says, of the whole or of single rows, and whether that can be trusted."""
    from annvil.cli.predicting import explain

    explain(model, one, out, options, label=label, as_json=as_json, open_it=not no_open)


@app.command()
@guarded
def report(
    run: a.RunFolder,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only write it and say where it is.")] = False,
) -> None:
    """Write the report of a run again and open it."""
    from annvil.cli.list_commands import report

    report(run, open_it=not no_open)


@app.command()
@guarded
@a.taking([a.declare(FitOptions, "out")])
def runs(as_json: a.Json = False, **options: Any) -> None:
    """List the runs there are, newest first."""
    from annvil.cli.list_commands import runs

    runs(Path(options["out"]), as_json=as_json)


@app.command()
@guarded
def resume(
    run: a.RunFolder,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            "-b",
            metavar="TIME",
            help="New budget of the whole run, with what it has used so far; a finished run goes on, too.",
            show_default=False,
        ),
    ] = None,
    show_preparation: a.ShowPreparation = False,
    as_json: a.Json = False,
    quiet: a.Quiet = False,
    events: a.Events = None,
) -> None:
    """Go on with a run: after a crash or Ctrl-C, or with more time than it had."""
    from annvil.cli.fitting import Shown, resume

    resume(run, budget, Shown(show_preparation, as_json, quiet, events))


@app.command()
@guarded
def compare(
    run: a.RunFolder,
    study: Annotated[
        str | None,
        typer.Option("--study", metavar="NAME", help=a.studies(), show_default=False),
    ] = None,
    budget: Annotated[str, typer.Option("--budget", "-b", metavar="TIME", help="Time it may take.")] = "2m",
    as_json: a.Json = False,
    quiet: a.Quiet = False,
) -> None:
    """Measure more on a finished run, such as what one kind of network has that another lacks; its report shows it."""
    from annvil.cli.studying import compare

    compare(run, study, budget, as_json=as_json, quiet=quiet)


@app.command()
@guarded
def samples(as_json: a.Json = False) -> None:
    """List built-in example data sets: annvil fit sample:NAME."""
    from annvil.cli.list_commands import samples

    samples(as_json=as_json)


@app.command()
@guarded
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete it; the next run makes it anew.")] = False,
    as_json: a.Json = False,
) -> None:
    """Say what is kept between runs, such as decoded files, where, and how large it is."""
    from annvil.cli.list_commands import cache

    cache(empty=clear, as_json=as_json)


@app.command()
@guarded
def doctor(as_json: a.Json = False) -> None:
    """Say how Annvil finds this machine, and what would be slow here; with --json for reports of issues."""
    from annvil.cli.list_commands import doctor

    doctor(as_json=as_json)


def _add(name: str, command: Command) -> None:
    """A command of a kind of data."""

    @app.command(name, help=command.help)
    @guarded
    @a.taking(declared(command.Options))
    def called(as_json: a.Json = False, quiet: a.Quiet = False, **options: Any) -> None:
        from annvil.cli.studying import further

        further(command, options, as_json=as_json, quiet=quiet)


def _add_fit(name: str, command: FitCommand, kind: Kind) -> None:
    """A command that is a fit of one kind of data."""
    *generic, out = declared(FitOptions)

    @app.command(name, help=command.help)
    @guarded
    @a.taking([*generic, *declared(kind.Options), out])
    def called(
        data: a.Data,
        show_preparation: a.ShowPreparation = False,
        as_json: a.Json = False,
        quiet: a.Quiet = False,
        events: a.Events = None,
        **options: Any,
    ) -> None:
        from annvil.cli.fitting import Shown, fit

        fit(data, {**command.implied, **options}, Shown(show_preparation, as_json, quiet, events))


_own = {_made.callback.__name__ for _made in app.registered_commands if _made.callback is not None}
_further: dict[str, tuple[Kind, Command | FitCommand]] = {
    _name: (_kind, _made)
    for _kind in kinds()
    for _made_by in (_kind.commands, _kind.fit_commands)
    for _name, _made in _made_by.items()
}
for _name, (_kind, _command) in _further.items():
    if _name in _own:
        leave_out(f"annvil {_name} is a command already: the one of the kind of data {_kind.name!r} is left out.")
    elif isinstance(_command, FitCommand):
        _add_fit(_name, _command, _kind)
    else:
        _add(_name, _command)
