"""The commands and how they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annvil import __version__
from annvil.cli import arguments as a
from annvil.cli.error_handling import guarded

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
def fit(
    data: a.Data,
    target: a.Target = None,
    budget: a.Budget = "2m",
    metric: a.MetricName = None,
    worth: a.Worth = None,
    groups: a.Groups = None,
    time: a.Time = None,
    task: a.TaskName = None,
    seed: a.Seed = 0,
    columns: a.Columns = None,
    drop: a.Drop = None,
    kinds: a.As = None,
    missing: a.Missing = None,
    drop_missing_target: a.DropMissingTarget = False,
    size: a.Size = None,
    workers: a.Workers = 1,
    start: a.From = None,
    backbone: a.Backbone = None,
    out: a.Out = Path("runs"),
    show_preparation: a.ShowPreparation = False,
    as_json: a.Json = False,
    quiet: a.Quiet = False,
) -> None:
    """Compare networks and simpler models on a table or on pictures: a verdict, a report, a model."""
    from annvil.cli.fitting import Shown, fit
    from annvil.kinds.pictures.options import size_in_pixels

    options = {
        "target": a.target(target),
        "budget": budget,
        "metric": metric,
        "worth": worth,
        "groups": groups,
        "time": time,
        "task": task,
        "seed": seed,
        "columns": a.names(columns),
        "drop": a.names(drop) or (),
        "kinds": a.kinds(kinds),
        "missing": tuple(missing or ()),
        "drop_missing_target": drop_missing_target,
        "size": size_in_pixels(size),
        "workers": workers,
        "start": start,
        "backbone": backbone,
        "out": str(out),
    }
    fit(data, options, Shown(show_preparation, as_json, quiet))


@app.command()
@guarded
def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_MODEL", help="Folder of a run, or a saved model (folder or zip).", show_default=False
        ),
    ],
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="A file with the columns that the model needs; for a model of pictures, pictures or a folder of them.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="CSV file to write; - is standard output.")
    ] = "-",
    keep: Annotated[bool, typer.Option("--keep", help="Copy the columns of DATA in front of the predictions.")] = False,
) -> None:
    """Predict rows of a file, or pictures, with a saved model: a CSV of classes and probabilities, or of numbers."""
    from annvil.cli.predicting import predict

    predict(model, data, out, keep=keep)


@app.command()
@guarded
def explain(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_MODEL", help="Folder of a run, or a saved model (folder or zip).", show_default=False
        ),
    ],
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="A picture file.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="PNG file of the maps beside the picture.", show_default=False
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="NAME", help="Explain this class, not the one the model decides for.", show_default=False
        ),
    ] = None,
    as_json: a.Json = False,
) -> None:
    """Show where a model looks in a picture, with tests of whether that can be trusted."""
    from annvil.cli.explaining import explain

    explain(model, picture, out, label=label, as_json=as_json)


@app.command()
@guarded
def augment(
    data: a.Data,
    times: Annotated[int, typer.Option("--times", help="Changed copies of each picture.")] = 10,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="New folder for pictures, labels.csv and a contact sheet."),
    ] = Path("augmented"),
    changes: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="CHANGES",
            help="What to change and how much, such as shift=2,flip=random,rotate=15; also flip-vertical, crop, scale, "
            "cutout, brightness, contrast, colour, noise. Default: small changes of place, light and noise, no flips.",
            show_default=False,
        ),
    ] = None,
    target: a.Target = None,
    groups: a.Groups = None,
    size: a.Size = None,
    workers: a.Workers = 1,
    seed: a.Seed = 0,
    jpeg: Annotated[bool, typer.Option("--jpeg", help="Write JPEG files instead of PNG.")] = False,
    as_json: a.Json = False,
    quiet: a.Quiet = False,
) -> None:
    """Write the pictures of a data set with changed copies of each, and a sheet to look at."""
    from annvil.cli.augmenting import augment
    from annvil.kinds.pictures.options import size_in_pixels

    options = {
        "target": a.target(target),
        "groups": groups,
        "size": size_in_pixels(size),
        "workers": workers,
        "seed": seed,
        "format": "jpeg" if jpeg else "png",
    }
    augment(data, times, out, changes, options, as_json=as_json, quiet=quiet)


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
def runs(out: a.Out = Path("runs"), as_json: a.Json = False) -> None:
    """List the runs there are, newest first."""
    from annvil.cli.list_commands import runs

    runs(out, as_json=as_json)


@app.command()
@guarded
def resume(
    run: a.RunFolder,
    show_preparation: a.ShowPreparation = False,
    as_json: a.Json = False,
    quiet: a.Quiet = False,
) -> None:
    """Go on with a run after a crash or Ctrl-C, to the same result."""
    from annvil.cli.fitting import Shown, resume

    resume(run, Shown(show_preparation, as_json, quiet))


@app.command()
@guarded
def compare(
    run: a.RunFolder,
    study: Annotated[
        str | None,
        typer.Option("--study", metavar="NAME", help=a.studies(), show_default=False),
    ] = None,
    dense_vs_cnn: Annotated[bool, typer.Option("--dense-vs-cnn", hidden=True)] = False,
    budget: a.Budget = "2m",
    as_json: a.Json = False,
    quiet: a.Quiet = False,
) -> None:
    """Measure more on a finished run, such as what one kind of network has that another lacks; its report shows it."""
    from annvil.cli.studying import compare

    compare(run, "dense-vs-cnn" if dense_vs_cnn else study, budget, as_json=as_json, quiet=quiet)


@app.command()
@guarded
def pretrain(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Pictures with classes: folders, archives, idx files.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the network goes.")],
    size: Annotated[int, typer.Option("--size", metavar="PIXELS", min=8, help="Side of the pictures.")] = 32,
    budget: Annotated[str, typer.Option("--budget", "-b", metavar="TIME", help="Time to train: 4m, 1h.")] = "4m",
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", metavar="NUMBER", min=1, help="Passes over all pictures, instead of what fits the budget."
        ),
    ] = None,
    turns: Annotated[
        bool, typer.Option("--turns/--no-turns", help="Whether each class counts four times, in quarter turns.")
    ] = True,
    seed: a.Seed = 0,
    quiet: a.Quiet = False,
) -> None:
    """Make a network to start from: annvil fit DATA --from FOLDER."""
    from annvil.cli.pretraining import pretrain

    pretrain(
        sources, out, {"size": size, "budget": budget, "epochs": epochs, "turns": turns, "seed": seed}, quiet=quiet
    )


@app.command()
@guarded
def samples(as_json: a.Json = False) -> None:
    """List built-in example data sets: annvil fit sample:NAME."""
    from annvil.cli.list_commands import samples

    samples(as_json=as_json)
