"""An ensemble of the candidates of one population: those who lost the race of the dense networks vote too.

Candidates are averaged with weights from greedy selection with replacement (`choose_greedily`). On TabArena (arXiv
2506.16791) this is worth as much as the choice of the architecture. Weights are per candidate, not per network:
out-of-fold predictions of one fold's network say nothing about the other folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from annvil.data.table import Dataset
from annvil.models.contract import BaseContender, Context, Effort, Family, Fitted, Job, Shape, Traits
from annvil.models.networks.bag import NetworkBag
from annvil.models.networks.dense_networks import DenseArchitecture, mean_curves, notes_of, summary_of
from annvil.models.networks.recipe import Settings, plan_search, settings_for
from annvil.models.networks.search import Searched, TrainedCandidate, search
from annvil.models.selection import Candidate, choose_greedily, inner_positions, judge
from annvil.tasks.base import FloatArray, Task

ROUNDS = 24
"""Most additions (assumed); with replacement, so that weights are multiples of a share."""

CLOSE = 1.05
"""Only candidates whose selection loss is within 5% of the best one's are averaged with it (measured, decision 0030).
Out-of-fold predictions come from single networks, which any average makes steadier; what is shipped is averaged over
the folds already, so that there a worse candidate is only worse."""

MOST_DISTINCT = 6
"""Most different candidates (assumed): the size and latency of the model grow with each."""


class NetworkEnsemble(BaseContender):
    """Candidates of the dense population, averaged with weights that the inner splits chose."""

    name = "network-ensemble"
    title = "Network ensemble"
    family: Family = "network"
    architecture = DenseArchitecture()
    traits = Traits(shares_fits_with="dense-network", scales=True, weights_classes=True)

    def plan(self, shape: Shape, n_jobs: int, n_inner: int, seconds: float) -> Effort:
        """The population that the dense networks would train in that time."""
        return plan_search(self.architecture, shape, n_jobs, n_inner, seconds)

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Train the population (or take the one in memory), choose weights for every job."""

        def settings_of(job: Job) -> Sequence[Settings]:
            if effort.configuration is not None:
                return [Settings.from_json(values) for values in effort.configuration["candidates"]]
            return settings_for(self.architecture, dataset, job, effort)

        given = None if effort.configuration is None else effort.configuration["weights"]
        for searched in search(dataset, jobs, self.architecture, settings_of, effort.scale, effort.options, context):
            yield self._fitted(dataset, searched, given)

    def _fitted(self, dataset: Dataset, searched: Searched, given: Sequence[float] | None) -> Fitted:
        candidates = searched.candidates
        weights = greedy_weights(dataset, searched) if given is None else _given_weights(given, len(candidates))
        chosen = [(c, float(w)) for c, w in zip(candidates, weights, strict=True) if w > 0]
        configuration = {
            "candidates": [candidate.settings.to_json() for candidate, _ in chosen],
            "weights": [weight for _, weight in chosen],
        }
        described = Candidate(configuration, _summary(chosen), any(c.settings.class_weighted for c, _ in chosen))
        raw = np.sum([weight * candidate.raw for candidate, weight in chosen], axis=0)
        trial = judge(dataset, searched.job, [raw[rows] for rows in inner_positions(searched.job)], described)
        networks = [(n, weight / len(c.networks)) for c, weight in chosen for n in c.networks]
        bag = NetworkBag(
            searched.preparation,
            tuple(n for n, _ in networks),
            tuple(weight for _, weight in networks),
            searched.target,
            dataset.task.link,
        )
        heaviest = max(chosen, key=lambda pair: pair[1])[0]
        return Fitted(
            contender=self.name,
            job=searched.job,
            task=dataset.task,
            members=(bag,),
            calibration=trial.calibration,
            out_of_fold=trial.out_of_fold,
            configuration=configuration,
            summary=described.words,
            tried=tuple(t.to_json() for t in ([c.trial for c in candidates] if given is None else [trial])),
            fit_seconds=searched.fit_seconds,
            core_seconds=searched.core_seconds,
            history=mean_curves(heaviest),
            notes=notes_of(searched),
            cut_short=searched.cut_short,
        )


def greedy_weights(dataset: Dataset, searched: Searched) -> FloatArray:
    """Weights of the candidates ``(n_candidates,)``, adding up to 1, chosen on out-of-fold predictions.

    Candidates that failed somewhere get none; nor, with several inner splits, do those that are not `CLOSE`.
    """
    tested = np.unique(np.concatenate(inner_positions(searched.job)))
    y = dataset.y[searched.job.rows][tested]
    outputs = [candidate.raw[tested] for candidate in searched.candidates]
    losses = [float(np.mean(dataset.task.row_losses(y, values))) for values in outputs]
    finite = [k for k, loss in enumerate(losses) if np.isfinite(loss)] or [0]
    most = CLOSE * min(losses[k] for k in finite) if len(searched.job.inner) > 1 else np.inf
    return _greedy(dataset.task, y, outputs, [k for k in finite if losses[k] <= most] or finite[:1])


def _given_weights(given: Sequence[float], n_trained: int) -> FloatArray:
    """The weights of a configuration, for as many of its candidates as the deadline let train."""
    weights = np.asarray(given, dtype=np.float64)[:n_trained]
    return np.asarray(weights / weights.sum())


def _greedy(task: Task, y: FloatArray, outputs: Sequence[FloatArray], usable: Sequence[int]) -> FloatArray:
    def loss(mean: FloatArray) -> float:
        return float(task.row_losses(y, mean).mean())

    return choose_greedily(outputs, loss, usable, rounds=ROUNDS, most_distinct=MOST_DISTINCT)


def _summary(chosen: Sequence[tuple[TrainedCandidate, float]]) -> str:
    if len(chosen) == 1:
        return summary_of(chosen[0][0])
    n_networks = sum(len(candidate.networks) for candidate, _ in chosen)
    heaviest, weight = max(chosen, key=lambda pair: pair[1])
    return f"{n_networks} networks of {len(chosen)} kinds; the heaviest ({weight:.0%}): {heaviest.settings.describe()}"
