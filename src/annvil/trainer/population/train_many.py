"""`train_many`: what `annvil.train` does where several candidates, or several folds, are asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from annvil.data.splits import Split
from annvil.errors import RequestError
from annvil.trainer.arguments.parse_arguments import whole_number
from annvil.trainer.arguments.settings import Search
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.monitoring.progress import interruptible
from annvil.trainer.population.ensembles import Evaluator
from annvil.trainer.population.folds import make_folds
from annvil.trainer.population.members import Attempt, Trainer
from annvil.trainer.population.search import check_search, is_study, search_by_study
from annvil.trainer.population.search_space import Space
from annvil.trainer.results.population_results import Results

HALVING = (0.125, 0.25, 0.5)
"""Shares of the epochs at which ``halving=True`` removes the worse half of the candidates: from one eighth on, twice as
long for half as many (successive halving, Jamieson and Talwalkar 2016, with eta = 2)."""

HOLDOUT = 5  # without validation rows and folds, one of so many parts of the rows judges the candidates


def train_many(request: Request, search: Search) -> Results:
    """The candidates of ``request``, trained as populations and compared; `annvil.Search` explains how.

    Raises
    ------
    RequestError, DataError
        For settings, folds and searches that cannot be.
    """
    started = time.monotonic()
    check_search(search.method)
    members, method = search.members, search.method
    if members is not None:
        whole_number(members, "members", 1)
    if request.distributed:
        raise RequestError("distributed=True trains one network on many machines; leave members, vary and folds out.")
    space = Space.read(search.vary, request.source.takes)
    _check_dropout(space, request)
    request = replace(request, recipe=replace(request.recipe, halving=_halving(search.halving)))
    divided, notices = divide(request, search.folds, search.groups)
    if not request.source.is_factory and (members != 1 or space.of):
        notices.append(
            "The first network starts from the weights that the model has, the others from new ones, by the "
            "reset_parameters() of its layers; pass a function that makes the network to decide yourself."
        )
    trainer = Trainer(request, space, divided)
    evaluator = Evaluator(request, divided)
    request.callbacks.begin(_settings(request, search, len(divided)))
    study: Any = None
    with interruptible(trainer.interrupt):
        if method in (None, "random"):
            attempts = trainer.train(space.draw(members, request.seed))
        else:
            given = method if is_study(method) else None
            attempts, study = search_by_study(trainer, given, members, request.seed, evaluator.objectives)
    seconds = time.monotonic() - started
    said = (*request.notices, *notices, *trainer.notices, *_said_of_time(trainer, attempts))
    results = Results(trainer, attempts, evaluator, seconds, said, study)
    if len(divided) == 1 and not request.source.is_factory and not results.attempts[0].diverged:
        request.source.give_back(results.attempts[0].networks()[0])
    for sentence in results.notices:
        request.callbacks.notice(sentence)
    request.callbacks.end({"candidates": len(results), "best": results.attempts[0].candidate.number})
    request.callbacks.raise_failure(results)
    return results


def divide(request: Request, folds: Any, groups: Any) -> tuple[tuple[Split, ...], list[str]]:
    """What the networks of a candidate learn from and are judged on, and what is to be said about it."""
    if folds is not None and len(request.validation):
        raise RequestError("folds make validation rows of their own; leave validation out.")
    if folds is not None:
        return _folds_of(request, folds, groups), []
    if not len(request.validation):
        fold = _folds_of(request, HOLDOUT, groups)[0]
        share = len(fold.test) / len(request.train)
        return (fold,), [f"{share:.0%} of the rows, chosen at random, judge the candidates; see validation and folds."]
    if groups is not None:
        raise RequestError("groups tell which rows to keep together when rows are divided; validation= divides them.")
    return (Split(request.train, request.validation),), []


def _folds_of(request: Request, folds: Any, groups: Any) -> tuple[Split, ...]:
    targets = request.targets.numpy()
    codes = targets.argmax(1) if request.target.kind == "classes" and targets.ndim == 2 else targets
    is_classes = request.target.kind in ("classes", "binary")
    return make_folds(folds, codes, is_classes, groups, request.seed)


def _halving(asked: Any) -> tuple[float, ...]:
    if asked is None or asked is False:
        return ()
    if asked is True:
        return HALVING
    if isinstance(asked, Sequence) and all(isinstance(share, int | float) for share in asked):
        return tuple(float(share) for share in asked)
    raise RequestError(f"halving must be True or shares of the epochs such as (0.25, 0.5); got {asked!r}.")


def _check_dropout(space: Space, request: Request) -> None:
    template = request.source.template
    names = [name.removesuffix("key") for name, _ in template.named_buffers() if name.split(".")[-1] == "key"]
    buffers = dict(template.named_buffers())
    has_own = any(f"{name}rate" in buffers for name in names)  # annvil.networks.Dropout
    has_dropout = has_own or any(isinstance(module, nn.modules.dropout._DropoutNd) for module in template.modules())
    if space.home.get("dropout") == "member" and not has_dropout:
        raise RequestError(
            f"vary: {type(template).__name__} has no dropout layer whose rate could vary; add nn.Dropout() where it "
            "should act, or let the function that makes the network take the argument dropout."
        )


def _said_of_time(trainer: Trainer, attempts: Sequence[Attempt]) -> list[str]:
    if not trainer.cut_short:
        return []
    stopped = sum(any(state.startswith("stopped at") for state in attempt.states) for attempt in attempts)
    were = f"{stopped} of {len(attempts)} candidates were stopped where they were"
    if trainer.interrupted:
        return [f"Ctrl-C ended training early: {were}."]
    budget = f"The budget of {trainer.request.seconds or 0:g} s"
    return [f"{budget} ended training early: {were}, so results hang on the machine's speed."]


def _settings(request: Request, search: Search, folds: int) -> dict[str, Any]:
    vary = {name: repr(values) for name, values in (search.vary or {}).items()}
    recipe = {name: getattr(request.recipe, name) for name in ("epochs", "batch_size", "optimizer")}
    return {"members": search.members, "vary": vary, "folds": folds, **recipe, **request.settings, "seed": request.seed}
