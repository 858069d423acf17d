"""Studies of a finished run: its data read again, more networks trained, the report written again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from annvil.comparison import Store
from annvil.comparison.results import Comparison
from annvil.data.storage import load_dataset
from annvil.data.table import Dataset, Inputs
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.studies import DenseAndConvolutional, measure_the_race, study_dense_and_convolutional
from annvil.run.folder import RunFolder, existing_folder
from annvil.run.load import read_as_asked
from annvil.run.result import read_comparison
from annvil.sections import Exhibit, write_exhibits
from annvil.text.durations import seconds_of

STUDIES = "studies"
SHORTEST_BUDGET = 10.0
"""Seconds (assumed): loading, warming up and one training of each already take several."""


def compare_dense_with_convolutional(
    folder: str | Path, budget: str | float = "2m", tell: Callable[[str], None] | None = None
) -> DenseAndConvolutional:
    """The dense-versus-convolutional table of a finished run of pictures, which its report then shows.

    What an interrupted call has measured is not measured again by the next one of the same budget.

    Parameters
    ----------
    folder : of the run
    budget : ``"60s"``, ``"2m"``, ``"1h30m"`` or seconds; rows for which it is too short are left out and said
    tell : hears what is trained; nobody by default

    Raises
    ------
    RequestError
        When the run is not finished, is about a table, or the budget is too short.
    DataError
        When the pictures have changed since.
    """
    from annvil.kinds.registry import contenders_for
    from annvil.run.reporting import write_report

    seconds = seconds_of(budget)
    if seconds < SHORTEST_BUDGET:
        raise RequestError(f"The budget of {seconds:g} s is too short; it must be at least {SHORTEST_BUDGET:g} s.")
    run_folder = existing_folder(folder)
    state = run_folder.read_state()
    if state.state != "finished":
        raise RequestError(f"{folder} is not finished. Go on with it first: annvil resume {folder}")
    dataset = pictures_of(run_folder)
    comparison, store = read_comparison(run_folder), Store(run_folder.race)

    def written(found: DenseAndConvolutional) -> None:
        write_exhibits(run_folder.exhibits, found.exhibits())

    with run_folder.locked():
        try:
            return study_dense_and_convolutional(
                dataset,
                contenders_for(dataset),
                comparison,
                store,
                run_folder.path / STUDIES / "dense-and-convolutional",
                seconds,
                tell or (lambda message: None),
                written,
            )
        finally:
            write_report(run_folder.path)


def exhibits_of_race(
    dataset: Dataset[Inputs], comparison: Comparison, store: Store, folder: RunFolder
) -> tuple[Exhibit, ...]:
    """The rows of the table that a fit has measured in any case; empty for tables."""
    found = measure_the_race(dataset, comparison, store, f"annvil compare {folder.path} --dense-vs-cnn")
    return () if found is None else found.exhibits()


def pictures_of(folder: RunFolder) -> Dataset[Images]:
    """The pictures of a run, as its fit read them.

    Raises
    ------
    RequestError
        When the run is about a table.
    DataError
        When they have changed since, or are gone.
    """
    request = folder.read_request()
    dataset: Dataset[Any] = (
        load_dataset(folder.data) if request.data is None else read_as_asked(request.data, request, _Nobody())
    )
    if not isinstance(dataset.inputs, Images):
        raise RequestError(
            f"{folder.path} is about a table; dense and convolutional networks are compared on pictures."
        )
    if folder.read_state().data_sha256 != dataset.source.sha256:
        raise DataError(f"{request.data} has changed since {folder.path} was made. Restore it, or fit again.")
    return dataset


class _Nobody:
    """A listener that shows nothing."""

    def stage(self, text: str) -> None:
        """Show nothing."""

    def standings(self, standings: Any, spent_seconds: float) -> None:
        """Show nothing."""

    def notice(self, text: str) -> None:
        """Show nothing."""
