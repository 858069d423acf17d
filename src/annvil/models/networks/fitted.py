"""From a search to what a contender returns: the candidate that the inner splits prefer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.members import Fitted
from annvil.models.networks.family import D, NetworkFamily, S
from annvil.models.networks.search import Searched, TrainedCandidate


def best_fitted(
    name: str,
    dataset: Dataset[D],
    family: NetworkFamily[D, S],
    searched: Searched[S],
    summary: Callable[[TrainedCandidate[S]], str] = lambda best: best.settings.describe(),
) -> Fitted:
    """The best candidate of a search as a result; the earlier one of equals, so that defaults win ties."""
    best = min(searched.candidates, key=lambda candidate: candidate.trial.score)
    return Fitted(
        contender=name,
        job=searched.job,
        task=dataset.task,
        members=(family.member(searched.data, best.settings, best.networks, dataset.task),),
        calibration=best.trial.calibration,
        out_of_fold=best.trial.out_of_fold,
        configuration=best.settings.to_json(),
        summary=summary(best),
        tried=tuple(candidate.trial.to_json() for candidate in searched.candidates),
        fit_seconds=searched.fit_seconds,
        core_seconds=searched.core_seconds,
        history=mean_curves(best),
        notes=notes_of(searched),
        cut_short=searched.cut_short,
    )


def mean_curves(best: TrainedCandidate[Any]) -> dict[str, Sequence[float]]:
    """Losses per epoch, averaged over the networks that still trained then."""
    curves: dict[str, Sequence[float]] = {}
    for name in ("train_loss", "validation_loss"):
        lists = [one.history[name] for one in best.trained if name in one.history]
        longest = max((len(values) for values in lists), default=0)
        padded = np.array([[*values, *[np.nan] * (longest - len(values))] for values in lists])
        with np.errstate(all="ignore"):
            means = [float(np.nanmean(column)) for column in padded.T if not np.isnan(column).all()]
        if means:
            curves[name] = means
    return curves


def notes_of(searched: Searched[Any]) -> tuple[str, ...]:
    """What should be said aloud: candidates that diverged."""
    notes = []
    for candidate in searched.candidates:
        failed = next((one.state for one in candidate.trained if one.state.startswith("diverged")), None)
        if failed is not None:
            notes.append(f"A network with {candidate.settings.describe()} {failed}.")
    return tuple(notes)
