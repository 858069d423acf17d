"""What a population of candidates leaves behind: who was best, a table of all, and ensembles of the good ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from annvil.errors import RequestError
from annvil.trainer.population.ensembles import AveragedNetwork, Ensemble, Evaluator
from annvil.trainer.population.members import Attempt, Trainer
from annvil.trainer.population.search_space import Range
from annvil.trainer.results.charts import Plot
from annvil.trainer.results.population_charts import Dot, candidates_chart
from annvil.trainer.results.predictions import Predictor
from annvil.trainer.results.result import Result
from annvil.trainer.results.rows import Table

MOST_CONSIDERED = 64  # candidates among which an ensemble is chosen, the best ones (assumed: more only cost memory)


class Results(Sequence["Result"]):
    """The candidates of `annvil.train`, best first: ``results[0]`` is the best one's `Result`, as is ``results.best``.

    Candidates are ranked by their validation loss at their best epoch (with ``monitor="metric"`` by the first metric),
    the mean over the folds. One of which a network diverged comes last, with its reason in the table.

    How candidates are asked for
    ----------------------------
    members : how many. By default every combination where only lists vary, 16 where ranges do, 64 with Optuna
    vary : what differs between them: a dict by name of lists, `annvil.uniform` or `annvil.log_uniform`. learning_rate,
        weight_decay, dropout (the rate of all dropout layers), momentum, label_smoothing and seed vary inside one
        program; batch_size, epochs, optimizer, schedule and the other settings of `annvil.train`, and the arguments of
        your own function that makes the network, have a program for each value. A name that your function takes goes
        to it.
    folds : 5, say (classes, or ten bins of a number, in proportion); a fold number for every row (-1: always learnt
        from); a splitter of scikit-learn; or pairs of training and validation rows. Every candidate then trains one
        network per fold. Without folds and validation rows a fifth of the rows judges.
    groups : one per row; rows of a group stay together
    search : "random" (the default: a Latin hypercube), "optuna" (a study is asked for candidates batch by batch), or a
        study of your own
    halving : True, or shares of the epochs, after which the worse half of a program's candidates is removed

    Attributes
    ----------
    attempts : the candidates as they were trained, best first
    notices : sentences on what was chosen, what went wrong, and what is worth knowing
    choices : what the engine chose and why, of the first program; and the number of programs and of networks
    seconds : wall clock of all of it
    cut_short : whether the budget ended training early
    study : the Optuna study, with ``search="optuna"``; else None
    """

    def __init__(
        self,
        trainer: Trainer,
        attempts: Sequence[Attempt],
        evaluator: Evaluator,
        seconds: float,
        notices: Sequence[str],
        study: Any = None,
    ) -> None:
        numbers = (attempt.candidate.number for attempt in attempts)
        merits = dict(zip(numbers, evaluator.objectives(attempts), strict=True))
        self._evaluator = evaluator
        self._varied = {name: isinstance(v, Range) and v.logarithmic for name, v in trainer.space.of.items()}
        self.attempts: tuple[Attempt, ...] = tuple(
            sorted(attempts, key=lambda a: (merits[a.candidate.number], a.candidate.number))
        )
        self._usable = [a for a in self.attempts if np.isfinite(merits[a.candidate.number])]
        populations = {id(attempt.population): attempt.population for attempt in self.attempts}
        self.choices: Mapping[str, Any] = {
            **next(iter(populations.values())).choices,
            "programs": len(populations),
            "networks": sum(len(attempt.places) for attempt in self.attempts),
        }
        self.notices: tuple[str, ...] = (*notices, *self._said_of_diverged())
        self.seconds = seconds
        self.cut_short = trainer.cut_short
        self.study = study

    @property
    def best(self) -> Result:
        """The best candidate.

        With folds, ``best`` is the mean of the networks that the candidate trained, one per fold (a bag): what was
        scored is what predicts, and no row was left out of all of them. To train the candidate once more on all rows,
        call `annvil.train` with the settings of ``results.table()[0]``.

        Raises
        ------
        RequestError
            Where every candidate diverged.
        """
        self._refuse_if_none()
        return self._result(self.attempts[0])

    def __len__(self) -> int:
        return len(self.attempts)

    def __getitem__(self, rank: Any) -> Any:
        if isinstance(rank, slice):
            return [self[place] for place in range(*rank.indices(len(self)))]
        return self._result(self.attempts[rank])

    def _result(self, attempt: Attempt) -> Result:
        request, networks = self._evaluator.request, attempt.networks()
        bagged = len(networks) > 1
        network = AveragedNetwork(networks, [1.0] * len(networks), request.target) if bagged else networks[0]
        scores = self._evaluator.scores(attempt)
        first = scores.get(request.monitor, next(iter(scores.values()), None))
        return Result(
            network=network,
            history=mean_history(attempt),
            best_epoch=round(float(np.mean(attempt.best_epochs))),
            state=attempt.state,
            score=attempt.loss if first is None else first[0],
            seconds=attempt.seconds,
            choices=dict(attempt.population.choices),
            notices=(*self.notices, *_said_of(attempt)),
            health=None,
            predictor=Predictor.of(request, network),
            monitor=request.monitor,
        )

    def ensemble(self, size: int = 8) -> Ensemble:
        """The weighted mean of at most ``size`` candidates that predicts the validation rows best.

        Weights are chosen by greedy selection with replacement (Caruana et al. 2004; `choose_greedily`) on predictions
        of rows that the networks did not learn from: the validation rows, or with folds the out-of-fold rows. There it
        is never worse than the best candidate alone. The best `MOST_CONSIDERED` candidates are looked at.
        """
        if size < 1:
            raise RequestError(f"An ensemble needs at least one member; got size={size!r}.")
        self._refuse_if_none()
        considered = self._usable[:MOST_CONSIDERED]
        return Ensemble(considered, self._evaluator.weights(considered, size), self._evaluator)

    def _refuse_if_none(self) -> None:
        if not self._usable:
            raise RequestError(
                f"All {len(self)} candidates diverged (the first {self.attempts[0].state}); try smaller learning "
                "rates, or clip_norm=1."
            )

    def table(self) -> Table:
        """One row for each candidate, best first: settings that varied, seed, losses and scores, what became of it.

        ``val_loss`` and scores are means over the folds, ``spread`` the loss's standard deviation between them.
        """
        return self._table

    @cached_property
    def _table(self) -> Table:
        self._evaluator.look(self.attempts)
        return Table([self._row(attempt) for attempt in self.attempts])

    def _row(self, attempt: Attempt) -> dict[str, Any]:
        candidate, folds = attempt.candidate, len(attempt.folds) > 1
        row: dict[str, Any] = {"candidate": candidate.number}
        row |= {name: candidate.settings[name] for name in self._varied}
        row |= {"seed": candidate.seed, "val_loss": attempt.loss} | ({"spread": attempt.spread} if folds else {})
        for name, (mean, spread) in self._evaluator.scores(attempt).items():
            row |= {f"val_{name}": mean} | ({f"spread of {name}": spread} if folds else {})
        best_epoch = float(np.mean(attempt.best_epochs)) if folds else attempt.best_epochs[0]
        return row | {"best_epoch": best_epoch, "state": attempt.state}

    def plot(self, path: str | Path | None = None) -> Plot:
        """Validation loss (or the metric monitored) against each setting that varied, every candidate a dot.

        Written to ``path`` as SVG if given. Notebooks show it.
        """
        monitored = self._evaluator.request.monitored
        dots = []
        for attempt in self.attempts:
            value, spread = attempt.loss, attempt.spread
            if monitored is not None:
                value, spread = self._evaluator.scores(attempt)[monitored.name]
            value = math.nan if attempt.diverged else value
            named = f"candidate {attempt.candidate.number} ({attempt.candidate.varied or 'as asked'}): {value:.4g}"
            dots.append(Dot(attempt.candidate.settings, value, spread if len(attempt.places) > 1 else 0.0, named))
        axis = "validation loss" if monitored is None else f"validation {monitored.name}"
        greater = monitored is not None and monitored.greater_is_better
        return Plot(candidates_chart(dots, self._varied, axis, greater), path)

    def _said_of_diverged(self) -> list[str]:
        diverged = [attempt for attempt in self.attempts if attempt.diverged]
        if not diverged:
            return []
        named = ", ".join(str(attempt.candidate.number) for attempt in diverged[:5])
        more = f" and {len(diverged) - 5} more" if len(diverged) > 5 else ""
        first = diverged[0]
        settings = f" ({first.candidate.varied})" if first.candidate.varied else ""
        ranks = f"{len(diverged)} of {len(self.attempts)} candidates diverged and rank last: {named}{more}."
        return [f"{ranks} Candidate {first.candidate.number}{settings} {first.state}."]

    def _repr_html_(self) -> str:
        notices = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.notices)
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.table()._repr_html_()}{notices}"

    def __repr__(self) -> str:
        best = self.attempts[0]
        return (
            f"<Results: {len(self)} candidates, {self.choices['networks']} networks; best: candidate "
            f"{best.candidate.number}, validation loss {best.loss:.4g}>"
        )


def mean_history(attempt: Attempt) -> dict[str, list[float]]:
    """Losses by epoch, the mean over the networks that still trained then."""
    curves = {}
    for name, theirs in (("loss", "train_loss"), ("val_loss", "validation_loss")):
        lists = [history[theirs] for history in attempt.histories]
        longest = max(len(values) for values in lists)
        curves[name] = [float(np.mean([v[e] for v in lists if e < len(v)])) for e in range(longest)]
    return curves


def _said_of(attempt: Attempt) -> list[str]:
    candidate = attempt.candidate
    said = [f"Candidate {candidate.number}: {candidate.varied or 'as asked'}, seed {candidate.seed}."]
    if len(attempt.places) > 1:
        said.append(f"It predicts with the mean of its {len(attempt.places)} networks, one per fold.")
    return said
