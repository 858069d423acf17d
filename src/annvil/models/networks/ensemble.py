"""An ensemble of the candidates of one population: those who lost the race of the dense networks vote too.

Candidates are averaged with weights from greedy selection with replacement (`choose_greedily`). On TabArena (arXiv
2506.16791) this is worth as much as the choice of the architecture. Weights are per candidate, not per network:
out-of-fold predictions of one fold's network say nothing about the other folds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.contract import Traits
from annvil.models.jobs import Effort, Job
from annvil.models.members import Fitted
from annvil.models.networks.dense_networks import DenseFamily
from annvil.models.networks.fitted import mean_curves, notes_of
from annvil.models.networks.recipe import Settings
from annvil.models.networks.search import Searched, TrainedCandidate
from annvil.models.networks.table_family import TableNetworks, summary_of
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


class NetworkEnsemble(TableNetworks):
    """Candidates of the dense population, averaged with weights that the inner splits chose."""

    name = "network-ensemble"
    title = "Network ensemble"
    networks = DenseFamily()
    traits = Traits(
        shares_fits_with="dense-network",
        trains_together=True,
        bags=True,
        weighs_rows=True,
        scales=True,
        weights_classes=True,
    )

    def settings(self, dataset: Dataset, job: Job, effort: Effort) -> Sequence[Settings]:
        """Those that were averaged, or those of the dense networks."""
        if effort.configuration is not None:
            return [Settings.from_json(values) for values in effort.configuration["candidates"]]
        return super().settings(dataset, job, effort)

    def chosen(self, dataset: Dataset, searched: Searched[Settings], effort: Effort) -> Fitted:
        """The candidates with a weight, averaged."""
        given = None if effort.configuration is None else effort.configuration["weights"]
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
        shares = [weight for _, weight in networks]
        bag = self.networks.bag(searched.data, [network for network, _ in networks], shares, dataset.task)
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


def greedy_weights(dataset: Dataset, searched: Searched[Settings]) -> FloatArray:
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


def _summary(chosen: Sequence[tuple[TrainedCandidate[Settings], float]]) -> str:
    if len(chosen) == 1:
        return summary_of(chosen[0][0])
    n_networks = sum(len(candidate.networks) for candidate, _ in chosen)
    heaviest, weight = max(chosen, key=lambda pair: pair[1])
    return f"{n_networks} networks of {len(chosen)} kinds; the heaviest ({weight:.0%}): {heaviest.settings.describe()}"
