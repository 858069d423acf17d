"""Networks and candidates that vote together: what they say is averaged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from annvil.tasks.base import FloatArray
from annvil.trainer.inputs.targets import Target
from annvil.trainer.population.evaluation import Evaluator
from annvil.trainer.population.members import Attempt
from annvil.trainer.population.search_space import Candidate
from annvil.trainer.results.predictions import Predicting, Predictor
from annvil.trainer.results.rows import Table


class AveragedNetwork(nn.Module):
    """A network that says what the weighted mean of ``networks`` says: mean probabilities as logits, or mean numbers.

    Inputs and outputs are those of one of the networks; where these end in softmax or sigmoid, so does the mean.
    """

    shares: Tensor

    def __init__(self, networks: Sequence[nn.Module], weights: Sequence[float], target: Target) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.target = target
        self.register_buffer("shares", torch.tensor(weights, dtype=torch.float32) / sum(weights))
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor:
        parts = [self.target.votes(network(*inputs).float()) for network in self.networks]
        mean = torch.stack([share * part for share, part in zip(self.shares, parts, strict=True)]).sum(0)
        return self.target.as_outputs(mean)

    def extra_repr(self) -> str:
        return f"{len(self.networks)} networks, {self.target.kind} averaged"


class Ensemble(Predicting):
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
        self.loss, outputs = evaluator.loss(voted), request.target.as_outputs(voted.float())
        self.scores = {score.name: score.compute(outputs, evaluator.truth) for score in request.scores}
        self.score = next(iter(self.scores.values()), self.loss)

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
