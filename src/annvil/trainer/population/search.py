"""Where candidates come from: drawn at once, or asked of an Optuna study batch by batch."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from annvil.errors import MachineError, RequestError
from annvil.trainer.population.members import Attempt, Trainer
from annvil.trainer.population.search_space import Range

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


def search_by_study(
    trainer: Trainer,
    study: Any,
    members: int | None,
    seed: int,
    worth: Callable[[Sequence[Attempt]], Sequence[float]],
) -> tuple[list[Attempt], Any]:
    """Ask a study for a batch of candidates, train them as one population, tell it what they were worth, again and
    again, until there are ``members``, or until the budget is spent; the candidates, and the study.

    A candidate that diverged is told as failed, one that was beaten half way (`halving`) as pruned, with the validation
    losses of its epochs as intermediate values.

    Parameters
    ----------
    study : of the user's own; None for a new one in memory, whose sampler (TPE, Bergstra et al. 2011) follows from
        ``seed``
    worth : of attempts, what the study minimises
    """
    import optuna

    space = trainer.space
    if not space.of:
        raise RequestError('search="optuna" needs something that varies: vary={"learning_rate": …}.')
    members = DEFAULT_TRIALS if members is None else members
    size = max(min(LEAST_BATCH, members), math.ceil(members / LEAST_BATCHES))
    attempts: list[Attempt] = []
    with _quietly():
        if study is None:
            # Candidates of one batch must not all be the same one: those asked for but not told of count as bad.
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            study = optuna.create_study(direction="minimize", sampler=sampler)
        scales = {name: _distribution(variation) for name, variation in space.of.items()}
        while len(attempts) < members and not trainer.out_of_time:
            count = min(size, members - len(attempts))
            trials = [study.ask({name: scale for name, (scale, _) in scales.items()}) for _ in range(count)]
            settings = [{name: read(trial.params[name]) for name, (_, read) in scales.items()} for trial in trials]
            candidates = space.candidates(settings, seed, first=len(attempts))
            found = trainer.train(candidates, share=1 / math.ceil((members - len(attempts)) / size))
            known = {attempt.candidate.number: pair for attempt, *pair in zip(found, found, worth(found), strict=True)}
            for candidate, trial in zip(candidates, trials, strict=True):
                _tell(study, trial, *known.get(candidate.number, (None, math.inf)))
            attempts += found
            if len(found) < count:
                break
    return attempts, study


def _tell(study: Any, trial: Any, attempt: Attempt | None, value: float) -> None:
    from optuna.trial import TrialState

    trial.set_user_attr("annvil", "the budget was spent" if attempt is None else attempt.state)
    if attempt is None or not math.isfinite(value):
        study.tell(trial, state=TrialState.FAIL)
        return
    sign = 1.0 if study.directions[0].name == "MINIMIZE" else -1.0
    for epoch, loss in enumerate(_mean_curve(attempt), 1):
        trial.report(sign * loss, epoch)
    if any(state.startswith("beaten") for state in attempt.states):
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, sign * value)


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
