"""Candidates judged on rows that they did not learn from, and voting together.

An average (`Target.votes`) is turned back into outputs, so that the loss and the scores of single networks judge it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from annvil.data.splits import Split
from annvil.models.selection import choose_greedily
from annvil.tasks.base import FloatArray
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.inputs.targets import Target
from annvil.trainer.population.members import Attempt
from annvil.trainer.population.search_space import Candidate
from annvil.trainer.results.predictions import Predicting, Predictor
from annvil.trainer.results.rows import Table
from annvil.training.losses.named import Batch
from annvil.training.losses.resolve import make_loss

ROUNDS, LEAST_ROUNDS = 3, 24
"""Additions of the greedy selection for every candidate that may be chosen (assumed), and at least."""


class Evaluator:
    """Judges candidates on the validation rows of their folds. What it saw once it remembers."""

    def __init__(self, request: Request, folds: Sequence[Split]) -> None:
        self.request, self.folds = request, folds
        self.rows = np.unique(np.concatenate([fold.test for fold in folds]))
        self.truth = request.targets[torch.from_numpy(self.rows)]
        self._seen: dict[int, list[Tensor]] = {}

    def look(self, attempts: Sequence[Attempt]) -> None:
        """Let the networks of all ``attempts`` predict, those of one population together."""
        groups: dict[int, list[Attempt]] = {}
        for attempt in attempts:
            if attempt.candidate.number not in self._seen:
                groups.setdefault(id(attempt.population), []).append(attempt)
        for group in groups.values():
            for number, fold in enumerate(self.folds):
                places = [attempt.places[number] for attempt in group]
                outputs = group[0].population.predict(self.request.inputs, fold.test, places)
                for attempt, mine in zip(group, outputs, strict=True):
                    self._seen.setdefault(attempt.candidate.number, []).append(mine)

    def outputs(self, attempt: Attempt) -> list[Tensor]:
        """Raw outputs for each fold's validation rows."""
        self.look([attempt])
        return self._seen[attempt.candidate.number]

    def scores(self, attempt: Attempt) -> dict[str, tuple[float, float]]:
        """Every score by name: mean and standard deviation over the folds."""
        found = {}
        for score in self.request.scores:
            values = [
                score.compute(outputs, self.request.targets[torch.from_numpy(fold.test)])
                for outputs, fold in zip(self.outputs(attempt), self.folds, strict=True)
            ]
            found[score.name] = float(np.mean(values)), float(np.std(values))
        return found

    def votes(self, attempt: Attempt) -> Tensor:
        """The candidate's votes for every row of ``rows``; the mean where several folds judged one."""
        parts = [self.request.target.votes(outputs) for outputs in self.outputs(attempt)]
        total = torch.zeros(len(self.rows), *parts[0].shape[1:])
        times = torch.zeros(len(self.rows), *[1] * (parts[0].dim() - 1))
        for part, fold in zip(parts, self.folds, strict=True):
            at = torch.from_numpy(np.searchsorted(self.rows, fold.test))
            total[at] += part
            times[at] += 1
        return total / times

    def loss(self, voted: Tensor) -> float:
        """The training loss of averaged votes ``(len(rows), …)``, with the rows' weights."""
        outputs, loss = self.request.target.as_outputs(voted.float()), make_loss(self.request.loss.engine)
        targets = loss.check(outputs[:2], self.truth)
        weights = torch.ones(len(self.rows)) if self.request.weights is None else self.request.weights[self.rows]
        prepared = loss.buffers(1, len(self.rows))
        loss.fill(prepared, Batch(targets.unsqueeze(0), (weights / weights.sum()).unsqueeze(0)))
        return float(loss.value(outputs, *(tensor[0] for tensor in prepared)))

    def objectives(self, attempts: Sequence[Attempt]) -> list[float]:
        """What ranks candidates, lower is better; infinite for those that diverged."""
        return [self._objective(attempt) for attempt in attempts]

    def _objective(self, attempt: Attempt) -> float:
        if attempt.diverged or not np.isfinite(attempt.loss):
            return float("inf")
        monitored = self.request.monitored
        if monitored is None:
            return attempt.loss
        mean, _ = self.scores(attempt)[monitored.name]
        return -mean if monitored.greater_is_better else mean

    def weights(self, attempts: Sequence[Attempt], size: int) -> FloatArray:
        """Weights of ``attempts`` adding up to 1, at most ``size`` of them above 0, chosen greedily on ``rows``."""
        self.look(attempts)
        voted = [self.votes(attempt).numpy() for attempt in attempts]

        def error(mean: FloatArray) -> float:
            one = torch.from_numpy(mean)
            if self.request.monitored is None:
                return self.loss(one)
            return -self.request.monitored.gain(self.request.target.as_outputs(one.float()), self.truth)

        usable = [k for k, values in enumerate(voted) if np.isfinite(values).all()]
        rounds = max(LEAST_ROUNDS, ROUNDS * size)
        return choose_greedily(voted, error, usable, rounds=rounds, most_distinct=size)


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
