"""Candidates into trained networks: those that one program can hold are trained together, whatever their settings.

Candidates that differ only in what members have of their own (`MEMBER_KEYS`) share a program. Others are grouped by the
value of the rest, and the groups share the budget by the work they have: networks × epochs. Nothing else depends on
the grouping, since a member's result follows from its own rows, seed and settings alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
from torch import nn

from annvil.data.splits import Split
from annvil.system.memory import available_bytes
from annvil.tasks.base import FloatArray
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.inputs.module_signature import structure
from annvil.trainer.monitoring.progress import ProgressLine
from annvil.trainer.population.search_space import Candidate, Space, fold_seed
from annvil.training import Member, Population, Progress, Recipe, train_population
from annvil.training.recipe import Look

BYTES_PER_WEIGHT = 20  # of a member in training: weights, best weights twice, and two moments, float32
BYTES_PER_ROW = 24  # of a member's training and validation rows: numbers, order and weights (counted, erring high)
SHARE_OF_MEMORY = 0.5  # of what is free, that a program may take (assumed)


@dataclass(frozen=True)
class Attempt:
    """A candidate after training, with one network per fold (one network where there are no folds).

    Attributes
    ----------
    candidate : what was tried
    population, places : where its networks are, one place per fold
    folds : what they learnt from and were judged on
    seeds : of each network
    seconds : its share of the time that its program took
    build : makes a network of its own by seed, where settings went into making it
    """

    candidate: Candidate
    population: Population
    places: tuple[int, ...]
    folds: tuple[Split, ...]
    seeds: tuple[int, ...]
    seconds: float
    build: Callable[[int], nn.Module] | None = None

    @property
    def states(self) -> tuple[str, ...]:
        """What became of each network, in words."""
        return tuple(self.population.states[place] for place in self.places)

    @property
    def state(self) -> str:
        """What became of the candidate: "finished", or of its networks the first that did not, with its fold."""
        for fold, state in enumerate(self.states):
            if state != "finished" and not state.startswith("stopped early"):
                return state if len(self.places) == 1 else f"fold {fold} {state}"
        return self.states[0] if len(set(self.states)) == 1 else "stopped early"

    @property
    def diverged(self) -> bool:
        """Whether one of its networks did."""
        return any(state.startswith("diverged") for state in self.states)

    @cached_property
    def losses(self) -> FloatArray:
        """Validation loss of each network at its best epoch."""
        return np.asarray(self.population.validation_loss[list(self.places)])

    @property
    def loss(self) -> float:
        """The mean over the folds."""
        return float(self.losses.mean())

    @property
    def spread(self) -> float:
        """Standard deviation between folds, 0 with one."""
        return float(self.losses.std())

    @property
    def best_epochs(self) -> tuple[int, ...]:
        """Of each network, counted from 1; 0: its initial weights."""
        return tuple(int(self.population.best_epochs[place]) for place in self.places)

    @property
    def histories(self) -> tuple[Mapping[str, list[float]], ...]:
        """Of each network, one value an epoch."""
        return tuple(self.population.histories[place] for place in self.places)

    def networks(self) -> tuple[nn.Module, ...]:
        """Its networks with their best weights, in evaluation mode."""
        trained = tuple(map(self.population.network, self.places))
        if self.build is None:
            return trained
        # A population only knows what its first member was built with, such as a rate of dropout.
        own = tuple(map(self.build, self.seeds))
        for network, other in zip(own, trained, strict=True):
            network.load_state_dict(other.state_dict())
        return tuple(network.eval() for network in own)


@dataclass(frozen=True)
class Program:
    """Candidates that are trained together."""

    recipe: Recipe
    structure: tuple[Any, ...]
    weights: int  # of one network
    candidates: tuple[Candidate, ...]


class Trainer:
    """Trains candidates of one request, as many calls of `train` as a search needs, until ``deadline``."""

    def __init__(self, request: Request, space: Space, folds: tuple[Split, ...]) -> None:
        self.request, self.space, self.folds = request, space, folds
        self.cut_short = self.interrupted = False
        self.notices: list[str] = []
        self._line = ProgressLine(request.verbose)
        self._program = 0  # those before have been trained

    @property
    def out_of_time(self) -> bool:
        """Whether the budget is spent, or somebody pressed Ctrl-C."""
        return self.interrupted or time.monotonic() >= self.request.deadline

    def interrupt(self) -> None:
        """Stop as if the budget were spent."""
        self.interrupted = True

    def train(self, candidates: Sequence[Candidate], share: float = 1.0) -> list[Attempt]:
        """The candidates in their order, trained in that ``share`` of the time that is left; those for which there was
        none are missing.
        """
        begun = time.monotonic()
        end = begun + (self.request.deadline - begun) * share
        programs = [part for program in self.programs(candidates) for part in self._fitting(program)]
        work = [len(program.candidates) * program.recipe.epochs for program in programs]
        if self.request.recipe.halving and len(programs) > 1 and not self._program:
            self.notices.append(
                "Candidates of different programs do not race each other: halving acts inside each one."
            )
        attempts: list[Attempt] = []
        for number, program in enumerate(programs):
            now = time.monotonic()
            if (now >= end or self.interrupted) and attempts:
                self.cut_short = True
                break
            until = now + max(0.0, end - now) * work[number] / sum(work[number:])
            attempts += self._train(program, until)
        return sorted(attempts, key=lambda attempt: attempt.candidate.number)

    def programs(self, candidates: Sequence[Candidate]) -> list[Program]:
        """The candidates grouped by everything that members of one program must share."""
        groups: dict[str, list[Candidate]] = {}
        for candidate in candidates:
            shared = [self.space.part(candidate, home) for home in ("recipe", "network")]
            groups.setdefault(repr(shared), []).append(candidate)
        programs: list[Program] = []
        for group in groups.values():
            recipe = replace(self.request.recipe, **self.space.part(group[0], "recipe"))
            network = self.request.source.template
            if self.space.part(group[0], "network"):
                network = self._network(group[0], group[0].seed)
            weights = sum(parameter.numel() for parameter in network.parameters())
            made = Program(recipe, structure(network), weights, tuple(group))
            # Settings of the caller's function that only change initial values, or rates of dropout, need no own one.
            same = next((p for p in programs if (p.recipe, p.structure) == (made.recipe, made.structure)), None)
            if same is None:
                programs.append(made)
            else:
                programs[programs.index(same)] = replace(same, candidates=(*same.candidates, *group))
        return programs

    def _network(self, candidate: Candidate, seed: int) -> nn.Module:
        return self.request.source.build(self.space.part(candidate, "network"), seed)

    def _fitting(self, program: Program) -> list[Program]:
        """The program, cut into several where its networks would not fit into memory together."""
        rows = sum(len(fold.train) + len(fold.test) for fold in self.folds)
        one = len(self.folds) * program.weights * BYTES_PER_WEIGHT + rows * BYTES_PER_ROW
        most = max(1, int(SHARE_OF_MEMORY * available_bytes() / one))
        count = len(program.candidates)
        parts = math.ceil(count / most)
        if parts > 1:
            races = " and race only within them" if program.recipe.halving else ""
            self.notices.append(
                f"The {count * len(self.folds)} networks need {count * one / 2**30:.1f} GiB, more than "
                f"{SHARE_OF_MEMORY:.0%} of the free memory; they are trained in {parts} parts{races}."
            )
        bounds = [count * i // parts for i in range(parts + 1)]
        return [replace(program, candidates=program.candidates[start:end]) for start, end in pairwise(bounds)]

    def _train(self, program: Program, until: float) -> list[Attempt]:
        members = [
            self.request.member(
                train=fold.train,
                validation=fold.test,
                candidate=candidate.number,
                **self.space.part(candidate, "member") | {"seed": fold_seed(candidate.seed, number)},
            )
            for candidate in program.candidates
            for number, fold in enumerate(self.folds)
        ]
        by_number = {candidate.number: candidate for candidate in program.candidates}

        def make_network(member: Member) -> nn.Module:
            return self._network(by_number[member.candidate], member.seed)

        # A file of its own for every program, beside the one asked for; they come in the same order in every run.
        path = self.request.checkpoint
        start = time.monotonic()
        population = train_population(
            **self.request.engine_arguments | {"make_network": make_network},
            members=members,
            recipe=program.recipe,
            should_stop=lambda: self.interrupted or time.monotonic() >= until,
            checkpoint=None if path is None else path.with_name(f"{path.name}-{self._program}"),
            tell=self.on_notice,
            listener=self,
        )
        self._line.end()
        self._program += 1
        self.cut_short |= population.cut_short
        seconds, n_folds = (time.monotonic() - start) / len(program.candidates), len(self.folds)
        attempts = []
        for number, candidate in enumerate(program.candidates):
            places = range(number * n_folds, (number + 1) * n_folds)
            seeds = tuple(members[place].seed for place in places)
            build = partial(self._network, candidate) if self.space.part(candidate, "network") else None
            attempts.append(Attempt(candidate, population, tuple(places), self.folds, seeds, seconds, build))
        return attempts

    def on_notice(self, progress: Progress) -> None:
        """Pass the engine's notices on."""
        if progress.notice:
            self.notices.append(progress.notice)
            self._line.say(progress.notice)
            self.request.callbacks.notice(progress.notice)

    def on_epoch(self, progress: Progress, look: Look) -> bool:
        """Tell the callbacks of the epoch: losses of all networks of the program, NaN for those that have stopped.

        True where one of them wants to stop.
        """
        losses = progress.validation_loss[np.isfinite(progress.validation_loss)]
        shown = {"networks": progress.active} | ({"lowest val_loss": float(losses.min())} if len(losses) else {})
        self._line.show(progress.epoch, progress.epochs, shown)
        logs: dict[str, Any] = {"loss": progress.train_loss, "val_loss": progress.validation_loss}
        logs |= {"program": self._program, "active": progress.active}
        return self.request.callbacks.epoch(progress.epoch, logs, look)
