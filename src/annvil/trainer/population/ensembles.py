"""Candidates that vote together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from annvil.tasks.base import FloatArray
from annvil.trainer.population.averaging import AveragedNetwork
from annvil.trainer.population.search_space import Candidate
from annvil.trainer.results.predictions import Predictor
from annvil.trainer.results.rows import Table

if TYPE_CHECKING:
    from annvil.trainer.population.evaluation import Evaluator
    from annvil.trainer.population.members import Attempt


class Ensemble:
    """The weighted mean of some candidates: of their probabilities, or of their numbers.

    Attributes
    ----------
    members : the candidates, the heaviest first
    weights : of the members, float64, adding up to 1. With folds a candidate has one network per fold, which share its
        weight.
    network : one `torch.nn.Module` that puts out what the ensemble says, in the form of a single network's outputs
    loss : training loss on the rows that chose the weights (validation rows; with folds, each candidate says of a row
        what its network that did not learn from it says). It flatters the ensemble a little, since it was chosen there.
    score : the first metric there, or the loss where there is none
    """

    def __init__(self, attempts: Sequence[Attempt], weights: FloatArray, evaluator: Evaluator) -> None:
        order = sorted((k for k in range(len(attempts)) if weights[k] > 0), key=lambda k: (-weights[k], k))
        chosen = [attempts[k] for k in order]
        self.members: tuple[Candidate, ...] = tuple(attempt.candidate for attempt in chosen)
        self.weights: FloatArray = weights[order]
        self._states = [attempt.state for attempt in chosen]
        networks = [
            (network, float(weight) / len(attempt.places))
            for attempt, weight in zip(chosen, self.weights, strict=True)
            for network in attempt.networks()
        ]
        request = evaluator.request
        self.network = AveragedNetwork([n for n, _ in networks], [w for _, w in networks], request.target)
        self.predictor = Predictor.of(request, self.network)
        voted = torch.stack([float(w) * evaluator.votes(a) for a, w in zip(chosen, self.weights, strict=True)]).sum(0)
        self.loss = evaluator.loss(voted)
        self.scores = evaluator.scores_of(voted)
        self.score = next(iter(self.scores.values()), self.loss)

    def outputs(self, X: Any) -> Tensor:
        """Raw outputs for rows, as a single network would give them."""
        return self.predictor.outputs(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels, or numbers, for rows: what `Result.predict` gives, from all members."""
        return self.predictor.predict(X)

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Mean probabilities, float32 ``(rows, classes)``.

        Raises
        ------
        RequestError
            Where nothing has classes.
        """
        return self.predictor.predict_proba(X)

    def table(self) -> Table:
        """The members with their weights and settings."""
        return Table(
            {"candidate": member.number, "weight": float(weight), **member.settings, "state": state}
            for member, weight, state in zip(self.members, self.weights, self._states, strict=True)
        )

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        n_networks = len(self.network.networks)
        return f"<Ensemble of {len(self)} candidates ({n_networks} networks), score {self.score:.4g}>"
