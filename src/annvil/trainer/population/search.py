"""Where candidates come from: drawn at once, or asked of an Optuna study batch by batch."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from annvil.errors import MachineError, RequestError
from annvil.trainer.population.search_space import Candidate, Range, Space

if TYPE_CHECKING:
    from annvil.trainer.population.members import Attempt, Trainer

LEAST_BATCHES = 4  # times that a study learns from what it asked before, where the members allow it (assumed)
DEFAULT_TRIALS = 64  # candidates of a study where nobody says how many (assumed)
LEAST_BATCH = 8
"""Candidates that are asked for at once, at least: a program pays from about so many on (measured in
`annvil.training.loop.workers`)."""


def is_study(search: Any) -> bool:
    """Whether it is a study of Optuna's, or works like one."""
    return callable(getattr(search, "ask", None)) and callable(getattr(search, "tell", None))


def check_search(search: Any) -> None:
    """Raise `RequestError` for anything but None, "random", "optuna" or a study of one aim; `MachineError` without
    Optuna.
    """
    if search is None or search == "random":
        return
    if search != "optuna" and not is_study(search):
        raise RequestError(f"search must be 'random', 'optuna' or a study of Optuna's; got {search!r}.")
    if importlib.util.find_spec("optuna") is None:
        raise MachineError('search="optuna" needs Optuna: pip install "annvil[optuna]".')
    if is_study(search) and len(search.directions) != 1:
        raise RequestError(f"The study has {len(search.directions)} aims; training needs one with a single direction.")


class StudySearch:
    """Asks a study for a batch of candidates, trains them as one population, tells it what they were worth, again and
    again.

    A candidate that diverged is told as failed, one that was beaten half way (`halving`) as pruned, with the validation
    losses of its epochs as intermediate values.

    Parameters
    ----------
    study : of the user's own; None for a new one in memory, whose sampler (TPE, Bergstra et al. 2011) follows from
        ``seed``
    """

    def __init__(self, space: Space, study: Any, seed: int) -> None:
        if not space.of:
            raise RequestError('search="optuna" needs something that varies: vary={"learning_rate": …}.')
        self.space, self.seed = space, seed
        import optuna

        with _quietly():
            if study is None:
                # Candidates of one batch must not all be the same one: those asked for but not told of count as bad.
                sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
                study = optuna.create_study(direction="minimize", sampler=sampler)
        self.study = study
        self._scales = {name: _distribution(variation) for name, variation in space.of.items()}

    def run(
        self, trainer: Trainer, members: int | None, worth: Callable[[Sequence[Attempt]], Sequence[float]]
    ) -> list[Attempt]:
        """Candidates until there are ``members``, or until the budget is spent.

        ``worth`` says of attempts what the study minimises.
        """
        members = DEFAULT_TRIALS if members is None else members
        size = max(min(LEAST_BATCH, members), math.ceil(members / LEAST_BATCHES))
        attempts: list[Attempt] = []
        while len(attempts) < members and not trainer.out_of_time:
            count = min(size, members - len(attempts))
            with _quietly():
                scales = {name: scale for name, (scale, _) in self._scales.items()}
                trials = [self.study.ask(scales) for _ in range(count)]
            settings = [
                {name: read(trial.params[name]) for name, (_, read) in self._scales.items()} for trial in trials
            ]
            candidates = self.space.candidates(settings, self.seed, first=len(attempts))
            batches = math.ceil((members - len(attempts)) / size)
            found = trainer.train(candidates, share=1 / batches)
            self._tell(candidates, trials, found, worth(found))
            attempts += found
            if len(found) < count:
                break
        return attempts

    def _tell(
        self, candidates: Sequence[Candidate], trials: Sequence[Any], found: Sequence[Attempt], worth: Sequence[float]
    ) -> None:
        from optuna.trial import TrialState

        by_number = {attempt.candidate.number: (attempt, value) for attempt, value in zip(found, worth, strict=True)}
        sign = 1.0 if self.study.directions[0].name == "MINIMIZE" else -1.0
        for candidate, trial in zip(candidates, trials, strict=True):
            attempt, value = by_number.get(candidate.number, (None, math.inf))
            with _quietly():
                trial.set_user_attr("annvil", "the budget was spent" if attempt is None else attempt.state)
                if attempt is None or not math.isfinite(value):
                    self.study.tell(trial, state=TrialState.FAIL)
                    continue
                for epoch, loss in enumerate(_mean_curve(attempt), 1):
                    trial.report(sign * loss, epoch)
                if any(state.startswith("beaten") for state in attempt.states):
                    self.study.tell(trial, state=TrialState.PRUNED)
                else:
                    self.study.tell(trial, sign * value)


def _mean_curve(attempt: Attempt) -> Iterator[float]:
    """Mean validation loss over the folds, as long as all of them trained."""
    for losses in zip(*(history["validation_loss"] for history in attempt.histories), strict=False):
        mean = sum(losses) / len(losses)
        if math.isfinite(mean):
            yield mean


def _distribution(variation: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Optuna's distribution, and how its value becomes the setting's."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(variation, Range) and variation.whole:
        return IntDistribution(int(variation.low), int(variation.high)), int
    if isinstance(variation, Range):
        return FloatDistribution(variation.low, variation.high, log=variation.logarithmic), float
    values = variation.values
    if all(value is None or isinstance(value, bool | int | float | str) for value in values):
        return CategoricalDistribution(values), lambda value: value
    # A study can only keep plain values; others are known by their place in the list.
    return CategoricalDistribution(tuple(range(len(values)))), values.__getitem__


@contextmanager
def _quietly() -> Iterator[None]:
    """Optuna says nothing on the screen, and does not warn of options that it calls experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
