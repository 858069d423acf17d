"""Does the picture need a convolutional network? Each line of the usual answer, measured on the user's pictures.

People are told that convolutional networks beat dense ones because they share weights, keep the picture's structure,
need fewer examples and transfer. Here both learn from the same pictures by their contenders' own fits, with the same
splits and the same time, and every claim becomes a row with its uncertainty and one sentence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from annvil.comparison.data_problem import DataProblem, data_digest
from annvil.comparison.results import FIRST_FOLD
from annvil.comparison.studies.shelf import Shelf
from annvil.comparison.studies.wording import Scale
from annvil.data.dataset import Dataset
from annvil.data.splits import nested_subset, outer_splits
from annvil.errors import OutOfTime, RequestError
from annvil.files import write_atomically
from annvil.kinds.found import Found
from annvil.kinds.pictures.contenders.registry import contenders_for_pictures
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.studies import study_text
from annvil.kinds.pictures.studies.cost_text import Pair, accuracy, reached_and_cost
from annvil.kinds.pictures.studies.findings import KEY, ORDER, DenseAndConvolutional, Finding
from annvil.kinds.pictures.studies.first_layers import tell_looks
from annvil.kinds.pictures.studies.measuring import PLAIN, Study
from annvil.kinds.pictures.studies.planning import CONVOLUTIONAL, DENSE, FOLDS, PER_CLASS, is_careful, plan_study
from annvil.kinds.pictures.studies.race_rows import from_race
from annvil.kinds.pictures.studies.transfer import halves_of_classes, measure_transfer
from annvil.kinds.pictures.studies.trials import Trial
from annvil.models.contract import Contender
from annvil.models.jobs import Deadline
from annvil.sections import Rows, Section
from annvil.text.phrases import listed, outside


def study_dense_and_convolutional(
    found: Found,
    folder: Path,
    budget_seconds: float,
    tell: Callable[[str], None] = lambda message: None,
    written: Callable[[Sequence[Section]], None] = lambda sections: None,
) -> DenseAndConvolutional:
    """The whole table; what ``folder`` holds of the same study is not done again.

    Parameters
    ----------
    found : by the run: all its pictures, and of its comparison the seed, the configurations that were chosen, and the
        predictions
    budget_seconds : for this call; rows that it leaves out are said
    tell : hears what is trained
    written : hears of the table whenever a row was added

    Raises
    ------
    RequestError
        When one of the two networks cannot learn from such pictures.
    OutOfTime
        When not even one training of each was possible.
    """
    started = time.monotonic()
    dataset = found.dataset
    two = _two(dataset)
    results = {name: found.store.result(name, FIRST_FOLD, found.rung(name)) for name in two}
    chosen = {name: result.configuration for name, result in results.items() if result is not None}
    plan = plan_study(dataset, two, chosen, budget_seconds, found.comparison.plan.seed, data_digest(dataset))
    shelf = Shelf(folder, Trial)
    shelf.open(plan)
    used = dataset.take(np.sort(nested_subset(dataset, np.arange(dataset.n_rows), plan.n_used, plan.seed)))
    split = outer_splits(used, FOLDS, 1, plan.seed)[0][-1 if used.time is not None else 0]
    study = Study(used, split.train, split.test, two, plan, shelf, Deadline(budget_seconds), tell)
    before = _seconds_before(folder)
    for _ in study.measure(measure_transfer):
        table = _Table(study).filled(found, before + time.monotonic() - started)
        write_atomically(folder / "findings.json", msgspec.json.encode(table))
        written(table.sections())
    return table


def _two(dataset: Dataset[Images]) -> dict[str, Contender]:
    """Both networks, the dense one first."""
    by_name = {contender.name: contender for contender in contenders_for_pictures()}
    two = {name: by_name[name] for name in (DENSE, CONVOLUTIONAL)}
    for contender in two.values():
        if reason := contender.declines(DataProblem(dataset).shape(dataset.n_rows)):
            raise RequestError(f"{contender.title} cannot be compared on these pictures: {reason}")
    return two


def _seconds_before(folder: Path) -> float:
    """What earlier sittings of the same study took."""
    try:
        content = (folder / "findings.json").read_bytes()
        return msgspec.json.decode(content, type=DenseAndConvolutional).spent_seconds
    except (FileNotFoundError, msgspec.MsgspecError):
        return 0.0  # it is written again from the trials, which are whole


@dataclass
class _Table:
    """The rows that the fits of a study give so far, what belongs to single ones, and which are missing and why."""

    study: Study
    findings: list[Finding] = field(default_factory=list)
    details: list[Section] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        whole = self._pair("whole-0")
        if whole is None:
            raise OutOfTime(
                "The budget ended before both networks were trained once; ask again with a longer --budget."
            )
        self.whole, self.scale = whole, Scale(self.study.data.task)
        self.groups = self.study.data.groups[self.study.test]

    def filled(self, found: Found, spent_seconds: float) -> DenseAndConvolutional:
        """All rows, in the order in which they are shown."""
        study, whole, scale = self.study, self.whole, self.scale
        self.findings += reached_and_cost(whole, self.groups, scale, f"the {len(study.test):,} test pictures")
        if raced := from_race(found):
            pair, rows = raced
            on = f"all {len(rows):,} held-out pictures of the comparison"
            self.findings[0] = accuracy(pair, found.dataset.groups[rows], scale, on)
        self._add_curve()
        self._add_structure()
        disturbed_groups = study.data.groups[study.disturbed_rows()]
        for beginning, key in (("shifted by", "shifts"), ("turned by", "turns")):
            if row := study_text.disturbed(whole, disturbed_groups, scale, beginning, key):
                self.findings.append(row)
        self._add_transfer()
        dense, convolutional = (trial.maps for trial in whole)
        if dense is not None and convolutional is not None:
            row, looks = tell_looks(dense, convolutional)
            self.findings.append(row)
            self.details.append(looks)
        if study.left_out:
            parts = [f"{'both' if len(who) > 1 else who[0]} {words}" for words, who in study.left_out.items()]
            self.missing.append(f"There was no time to train: {'; '.join(parts)}.")
        return DenseAndConvolutional(
            tuple(self.findings),
            tuple(_remarks(study, whole)),
            tuple(self.missing),
            tuple(self.details),
            round(spent_seconds, 1),
        )

    def _pair(self, key: str) -> Pair | None:
        dense, convolutional = (self.study.shelf.trial(name, key) for name in (DENSE, CONVOLUTIONAL))
        return None if dense is None or convolutional is None else Pair(dense, convolutional)

    def _detail(self, key: str, title: str, sentence: str, rows: Rows) -> None:
        order = ORDER + 1 + len(self.details)
        self.details.append(Section(f"{KEY}-{key}", title, (sentence,), tables=(rows,), order=order))

    def _add_curve(self) -> None:
        study, scale, sizes = self.study, self.scale, self.study.plan.curve_sizes
        pairs = {size: pair for size in sizes if (pair := self._pair(f"curve-{size}")) is not None}
        if not pairs:
            why = "the budget" if sizes else "there are too few pictures"
            self.missing.append(f"How many pictures each network needs was not measured ({why}).")
            return
        pairs[len(study.train)] = self.whole
        finding, rows = study_text.data_needed(pairs, self.groups, scale, study.plan.seed)
        self.findings.append(finding)
        sentence = (
            f"{outside(scale.name)} on the same {len(study.test):,} test pictures; each smaller set lies inside the "
            "larger ones. The last column is read off the dense network's curve."
        )
        self._detail("curve", "Pictures needed by each network", sentence, rows)

    def _add_structure(self) -> None:
        side = self.study.plan.side
        shuffles, originals = (
            [pair for again in range(self.study.plan.trainings) if (pair := self._pair(f"{key}-{again}")) is not None]
            for key in ("shuffled", "whole" if side == 1 else "small")
        )
        if not shuffles or not originals:
            self.missing.append("What the order of the pixels is worth was not measured (the budget).")
            return
        small = "" if side == 1 else f" of pictures averaged over {side} × {side} pixels"
        self.findings.append(study_text.structure(originals, shuffles, self.groups, self.scale, small))

    def _add_transfer(self) -> None:
        study, data, per_class = self.study, self.study.data, self.study.plan.per_class
        if not per_class:
            self.missing.append(study.plan.no_transfer)
            return
        pairs = {
            n: (nothing, start)
            for n in per_class
            if (nothing := self._pair(f"nothing-{n}")) is not None and (start := self._pair(f"start-{n}")) is not None
        }
        if not pairs:
            self.missing.append("What a start from other classes is worth was not measured (the budget).")
            return
        old, new = halves_of_classes(study)
        test = study.test[np.isin(data.y[study.test], new)]
        finding, rows = study_text.transfer(pairs, data.groups[test], self.scale, (len(old), len(new)))
        self.findings.append(finding)
        names = [str(data.task.classes[code]) for code in old]
        learnt = listed(names, 8)
        sentence = (
            f"Layers learnt on {learnt} are kept as they are, and a new last one is learnt for the {len(new)} other "
            "classes; beside it the same network learnt from nothing on the same pictures."
        )
        self._detail("transfer", "What a start from other classes gains", sentence, rows)
        if few := " or ".join(str(n) for n in PER_CLASS if n not in per_class):
            self.missing.append(
                f"Transfer with {few} pictures a class was not measured: there are not so many, or no time."
            )


def _remarks(study: Study, whole: Pair) -> list[str]:
    plan = study.plan
    of = "" if plan.n_used == plan.n_rows else f" of {plan.n_rows:,}, drawn for the budget,"
    convolutional = whole.convolutional.summary.removesuffix("; none")  # no augmentation, which is said more plainly
    how = (
        f"{plan.n_used:,} pictures{of} were divided once: {len(study.train):,} to learn from, {len(study.test):,} to "
        "be judged on. Both networks were given the same pictures, the same holdout to choose and calibrate by, and up "
        f"to {plan.training_seconds:.2g} s for a training; intervals are 95%."
    )
    who = (
        f"Dense: {whole.dense.summary}. Convolutional: {convolutional}. Neither learnt from augmented pictures, so "
        "that what differs is the network."
    )
    said = [how, who]
    short = [PLAIN[name].lower() for name, one in study.contenders.items() if not is_careful(plan, study.data, one)]
    if short:
        said.append(
            f"The budget is too short to train the {' and the '.join(short)} properly; a longer one tells more."
        )
    cut = [PLAIN[trial.contender].lower() for trial in whole if trial.cut_short]
    if cut:
        said.append(f"A training was stopped before its end, which is hard on the {' and the '.join(cut)}.")
    return said
