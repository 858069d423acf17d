"""Networks of projections after their training: which form the inner splits prefer, and the one that ships."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.jobs import Context, Job, PreparationOptions, Running
from annvil.models.measurement import Stopwatch
from annvil.models.members import Fitted
from annvil.models.networks.family import TrainingData
from annvil.models.networks.fitted import best_fitted, mean_curves, notes_of
from annvil.models.networks.index_bag import IndexBag, network_of
from annvil.models.networks.index_directions import shown_directions
from annvil.models.networks.index_family import IndexFamily, IndexSettings, given_directions
from annvil.models.networks.index_forms import FEW_FORMS, FORMS, Forms, Start, forms_of, settled
from annvil.models.networks.orthonormal import defect, orthonormal
from annvil.models.networks.ridge_functions import Ridges, Rows, row_losses
from annvil.models.networks.search import Searched
from annvil.models.selection import Candidate, judge
from annvil.system.processors import bounded_threads
from annvil.tasks.base import FloatArray, Task
from annvil.text.quantities import plain_count

FINISHED = 2
"""Most trained candidates whose forms are tried, never more than half of them (assumed)."""

STEPS, SPLIT_STEPS, FEW_STEPS = 30, 12, 6
"""Most Gauss-Newton steps of the network that ships, of those that inner splits choose from, and of both where nothing
is trained (assumed)."""

CHOICE_ROWS, FINAL_ROWS = 20_000, 100_000
"""Most rows of a fit that chooses, and of the one that ships (assumed: more hardly move so few coefficients)."""


@dataclass
class _Tried:
    """A form of a candidate on all inner splits: losses and outputs of their test rows, and the fits.

    ``small`` is the part of the largest weight below which others count as 0.
    """

    settings: IndexSettings
    small: float
    losses: FloatArray
    outputs: list[FloatArray]
    fits: list[Ridges]

    @property
    def n_weights(self) -> float:
        """Of the projections, on average over the splits."""
        return float(np.mean([ridges.support.sum() for ridges in self.fits]))


def finished(
    name: str,
    family: IndexFamily,
    dataset: Dataset,
    searched: Searched[IndexSettings],
    running: Running,
    one_sum: bool,
) -> Fitted:
    """The form that the inner splits prefer, fitted to all rows; of several sums the best network as trained."""
    watch = Stopwatch()
    if not one_sum:
        return _as_trained(name, family, dataset, searched)
    with bounded_threads(1):
        rows = _rows(searched.data)
        tried = _tried(searched, rows, running)
        if not tried:
            return _as_trained(name, family, dataset, searched)
        fitted = _chosen(name, dataset, searched.data, tried, rows)
    number = fitted.configuration["number"] if fitted.configuration["trained"] else None
    of_best = next((one for one in searched.candidates if one.settings.number == number), None)
    return replace(
        fitted,
        tried=tuple(one.trial.to_json() for one in searched.candidates),
        fit_seconds=searched.fit_seconds + watch.seconds,
        core_seconds=searched.core_seconds + watch.core_seconds,
        history={} if of_best is None else mean_curves(of_best),
        notes=notes_of(searched),
        cut_short=searched.cut_short or running.cut_short,
    )


def untrained(
    name: str,
    family: IndexFamily,
    dataset: Dataset,
    jobs: Sequence[Job],
    settings: IndexSettings,
    context: Context,
) -> Iterator[Fitted]:
    """Networks that begin at what the rows show of directions (`shown_directions`) and are finished in a few steps.

    A fraction of what a training costs; where curvature shows the directions, as good.
    """
    running = context.begin()
    for job in jobs:
        if running.is_over():
            return
        watch = Stopwatch()
        data = family.prepare(dataset, job, PreparationOptions())
        with bounded_threads(1):
            rows = _rows(data)
            learns = [_sampled(rows.take(train), CHOICE_ROWS, job.seed) for train, _ in data.splits]
            begins = [shown_directions(one, data.shape[3]) for one in learns]
            tried = _of_forms(settings, data, rows, learns, begins, FEW_FORMS, FEW_STEPS)
            found = _chosen(name, dataset, data, tried, rows, FEW_STEPS)
        yield replace(found, fit_seconds=watch.seconds, core_seconds=watch.core_seconds, cut_short=running.cut_short)


def _chosen(
    name: str, dataset: Dataset, data: TrainingData, tried: Sequence[_Tried], rows: Rows, steps: int = STEPS
) -> Fitted:
    """The form with fewest weights of the best, finished on all rows."""
    best = _fewest_weights(tried)
    split = int(np.argmin([np.mean(part) for part in _parts(best)]))
    start = Start(best.fits[split].directions, best.fits[split].support, best.small)
    ridges = settled(start.fitted(_sampled(rows, FINAL_ROWS, data.job.seed), steps=steps), rows)
    outputs = [_outputs(data, scores, dataset.task) for scores in best.outputs]
    return _fitted(name, dataset, data, best.settings, ridges, outputs)


def refitted(
    name: str,
    family: IndexFamily,
    dataset: Dataset,
    jobs: Sequence[Job],
    settings: IndexSettings,
    context: Context,
) -> Iterator[Fitted]:
    """Fits of weighted rows that begin at known projections, which thereby stay themselves, in their order."""
    running = context.begin()
    for job in jobs:
        if running.is_over():
            return
        watch = Stopwatch()
        data = family.prepare(dataset, job, PreparationOptions())
        known = given_directions(settings, data.preparation)  # type: ignore[arg-type]
        if known is None:
            return
        start = Start(known, (known != 0).astype(np.float64))
        with bounded_threads(1):
            rows = _rows(data)
            ridges = start.fitted(_sampled(rows, FINAL_ROWS, job.seed))
            outputs = []
            for train, test in data.splits:
                fit = start.fitted(_sampled(rows.take(train), CHOICE_ROWS, job.seed))
                outputs.append(_outputs(data, fit.scores(rows.take(test)), dataset.task))
        found = _fitted(name, dataset, data, settings, ridges, outputs)
        yield replace(found, fit_seconds=watch.seconds, core_seconds=watch.core_seconds, cut_short=running.cut_short)


def _rows(data: TrainingData) -> Rows:
    numbers = data.inputs[0].numpy().astype(np.float64)
    n_projected = data.shape[0]
    y = data.targets.numpy().astype(np.float64).reshape(len(numbers), -1)[:, 0]
    weights = np.ones(len(y)) if data.weights is None else data.weights / data.weights.mean()
    return Rows(numbers[:, :n_projected], numbers[:, n_projected:], y, weights, data.target is None)


def _sampled(rows: Rows, most: int, seed: int) -> Rows:
    n = len(rows.x)
    return rows if n <= most else rows.take(np.sort(np.random.default_rng(seed).choice(n, most, replace=False)))


def _tried(searched: Searched[IndexSettings], rows: Rows, running: Running) -> list[_Tried]:
    """Forms of the best candidates and of what was not trained, each fitted on every inner split."""
    whole = [one for one in searched.candidates if not any(t.state.startswith("beaten") for t in one.trained)]
    n_finished = min(FINISHED, (len(searched.candidates) + 1) // 2)
    best = sorted(whole, key=lambda candidate: candidate.trial.score)[:n_finished]
    learns = [_sampled(rows.take(train), CHOICE_ROWS, searched.job.seed) for train, _ in searched.data.splits]
    shown = [shown_directions(one, searched.data.shape[3]) for one in learns]
    found = _of_forms(replace(best[0].settings, number=0, trained=False), searched.data, rows, learns, shown, FORMS)
    for candidate in best:
        if running.is_over():
            break
        trained = [one.network.get_parameter("directions").detach().double().numpy() for one in candidate.trained]
        begins = [orthonormal(one, np.ones_like(one)) for one in trained]
        found += _of_forms(candidate.settings, searched.data, rows, learns, begins, FORMS)
    return found


def _of_forms(
    settings: IndexSettings,
    data: TrainingData,
    rows: Rows,
    learns: Sequence[Rows],
    begins: Sequence[FloatArray | None],
    forms: Forms,
    steps: int = SPLIT_STEPS,
) -> list[_Tried]:
    """Forms of directions ``begins``, one for each inner split with its rows ``learns``, fitted and judged there."""
    by_split: list[list[tuple[Start, Ridges, FloatArray, FloatArray]]] = []
    for directions, learn, (_, test) in zip(begins, learns, data.splits, strict=True):
        if directions is None:
            return []
        judges = rows.take(test)
        starts = forms_of(directions, learn, forms)
        fits = [start.fitted(learn, steps) for start in starts]
        scores = [fit.scores(judges) for fit in fits]
        losses = [row_losses(judges, one) for one in scores]
        by_split.append(list(zip(starts, fits, scores, losses, strict=True)))
    found: list[_Tried] = []
    for form in range(max(len(split) for split in by_split)):
        of_form, fitted, said, lost = zip(*(split[min(form, len(split) - 1)] for split in by_split), strict=True)
        together = np.concatenate(lost)
        if np.isfinite(together).all():
            found.append(_Tried(settings, max(start.small for start in of_form), together, list(said), list(fitted)))
    return found


def _fewest_weights(tried: Sequence[_Tried]) -> _Tried:
    """Of those within a standard error of the best (of the paired difference), the one with the fewest weights."""
    best = min(tried, key=lambda one: float(one.losses.mean()))

    def is_close(one: _Tried) -> bool:
        behind = one.losses - best.losses
        return bool(behind.mean() <= behind.std() / np.sqrt(len(behind)))

    return min((one for one in tried if is_close(one)), key=lambda one: (one.n_weights, float(one.losses.mean())))


def _parts(tried: _Tried) -> list[FloatArray]:
    ends = np.cumsum([len(scores) for scores in tried.outputs])[:-1]
    return np.split(tried.losses, ends)


def _outputs(data: TrainingData, scores: FloatArray, task: Task) -> FloatArray:
    """What scores of one sum come to."""
    if data.target is not None:
        return data.target.inverse(scores[:, None])
    return task.link.apply(np.stack([np.zeros_like(scores), scores], axis=1))


def _fitted(
    name: str,
    dataset: Dataset,
    data: TrainingData,
    settings: IndexSettings,
    ridges: Ridges,
    outputs: Sequence[FloatArray],
) -> Fitted:
    task = dataset.task
    network = network_of(ridges, task.n_outputs, task.predicts_probabilities)
    bag = IndexBag(data.preparation, (network,), (1.0,), data.target, task.link)
    configuration = replace(settings, projections=_told(bag)).to_json()
    described = Candidate(configuration, settings.describe())
    trial = judge(dataset, data.job, outputs, described)
    if trial.calibration is not None:  # of one sum it is another such sum
        scale, shift = trial.calibration.on_scores()
        network.rescaled(float(scale[1]), float(shift[1] - shift[0]))
    return Fitted(
        name,
        data.job,
        task,
        (bag,),
        None,
        trial.out_of_fold,
        configuration,
        summary_of(bag, settings),
        (trial.to_json(),),
    )


def _as_trained(name: str, family: IndexFamily, dataset: Dataset, searched: Searched[IndexSettings]) -> Fitted:
    """The best candidate, of the inner split where it does best, its directions made orthonormal in float64."""
    import torch

    fitted = best_fitted(name, dataset, family, searched)
    best = min(searched.candidates, key=lambda candidate: candidate.trial.score)
    bag = fitted.members[0]
    assert isinstance(bag, IndexBag)
    exact = orthonormal(bag.directions, np.ones_like(bag.directions))
    if exact is not None:
        with torch.no_grad():
            bag.network.directions.copy_(torch.from_numpy(exact))
    configuration = replace(best.settings, projections=_told(bag)).to_json()
    return replace(fitted, configuration=configuration, summary=summary_of(bag, best.settings))


def _told(bag: IndexBag) -> dict[str, list[object]]:
    names: list[object] = [feature.name for feature in bag.features[: len(bag.directions)]]
    return {"features": names, "weights": [list(map(float, column)) for column in bag.directions.T]}


def summary_of(bag: IndexBag, settings: IndexSettings) -> str:
    """For people: ``"4 projections of 7 weights, orthonormal to 2e-16; penalties …"``."""
    directions = bag.directions
    weights = int(np.count_nonzero(directions))
    return (
        f"{plain_count(directions.shape[1], 'projection')} of {plain_count(weights, 'weight')}, orthonormal to "
        f"{defect(directions):.0e}; {settings.describe()}"
    )
