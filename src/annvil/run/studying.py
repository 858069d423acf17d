"""Studies of a finished run: its data read again, more networks trained, the report written again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from annvil.comparison import Store
from annvil.comparison.request import Quiet
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.commands import StudyResult
from annvil.kinds.found import Found
from annvil.models.jobs import Deadline
from annvil.run.folder import existing_folder
from annvil.run.load import kind_again, read_again
from annvil.sections import write_sections
from annvil.text.quantities import seconds_of

STUDIES = "studies"


def study(
    folder: str | Path, name: str, budget: str | float = "2m", tell: Callable[[str], None] | None = None
) -> StudyResult:
    """What a study of the run's kind of data finds on a finished run, which its report then shows.

    What an interrupted call has measured is not measured again by the next one of the same budget.

    Parameters
    ----------
    folder : of the run
    name : of the study, such as ``"dense-vs-cnn"``
    budget : ``"60s"``, ``"2m"``, ``"1h30m"`` or seconds; what it is too short for is left out and said
    tell : hears what is done; nobody by default

    Raises
    ------
    RequestError
        When the run is not finished, its kind of data has no such study, or the budget is too short.
    DataError
        When the data have changed since.
    """
    from annvil.run.reporting import render_report

    seconds = seconds_of(budget)
    run_folder = existing_folder(folder)
    if run_folder.read_state().state != "finished":
        raise RequestError(f"{folder} is not finished. Go on with it first: annvil resume {folder}")
    request = run_folder.read_request()
    kind = kind_again(run_folder, request)
    chosen = kind.studies.get(name)
    if chosen is None:
        there = f"it has {', '.join(kind.studies)}" if kind.studies else "it has none"
        raise RequestError(
            f"{folder} is about {kind.words.data[1]}, which has no study {name!r}: {there}."
            f"{did_you_mean(name, kind.studies)}"
        )
    if seconds < chosen.least_seconds:
        raise RequestError(f"The budget of {seconds:g} s is too short; it must be at least {chosen.least_seconds:g} s.")
    dataset = read_again(kind, run_folder, request, Quiet())
    if run_folder.read_state().data_sha256 != dataset.source.sha256:
        raise DataError(f"{request.data} has changed since {folder} was made. Restore it, or fit again.")
    found = Found(
        dataset,
        run_folder.read_comparison(),
        Store(run_folder.race),
        run_folder.path,
        run_folder.model,
        Deadline(seconds),
    )
    with run_folder.locked():
        try:
            return chosen.run(
                found,
                run_folder.path / STUDIES / name,
                seconds,
                tell or (lambda message: None),
                lambda sections: write_sections(run_folder.sections, sections),
            )
        finally:
            render_report(run_folder)
