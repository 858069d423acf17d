"""Does the picture need a convolutional network? Each line of the usual answer, measured on the user's pictures.

People are told that convolutional networks beat dense ones because they share weights, keep the picture's structure,
need fewer examples and transfer. Here both learn from the same pictures by their contenders' own fits, with the same
splits and the same time, and every claim becomes a row with its uncertainty and one sentence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from annvil.comparison.results import FIRST_FOLD, Comparison, FoldResult
from annvil.comparison.store import Store
from annvil.data.dataset import Dataset
from annvil.data.splits import nested_subset, outer_splits
from annvil.errors import OutOfTime, RequestError
from annvil.files import write_atomically
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.studies import study_text as telling
from annvil.kinds.pictures.studies.findings import DenseAndConvolutional, Detail, Finding
from annvil.kinds.pictures.studies.first_layers import kept_looks, tell_looks
from annvil.kinds.pictures.studies.measuring import PLAIN, Study
from annvil.kinds.pictures.studies.operation_counts import GraphCount, count_graph
from annvil.kinds.pictures.studies.planning import CONVOLUTIONAL, DENSE, FOLDS, PER_CLASS, is_careful, plan_study
from annvil.kinds.pictures.studies.study_text import Pair
from annvil.kinds.pictures.studies.transfer import halves_of_classes, measure_transfer
from annvil.kinds.pictures.studies.trials import Shelf, Trial, as_bytes
from annvil.kinds.pictures.studies.wording import Scale
from annvil.models.contract import Contender, Deadline
from annvil.tasks.base import IntArray


def measure_the_race(
    dataset: Dataset[Images], comparison: Comparison, store: Store, again: str = ""
) -> DenseAndConvolutional:
    """The rows that cost nothing, from what the race kept. Where one of the two did not compete there are no rows, and
    it is said why.

    ``again`` is the command that measures the other rows.
    """
    pair, rows = _from_race(dataset, comparison, store)
    if pair is None:
        return DenseAndConvolutional((), (_who_is_missing(comparison), *([f"To measure it: {again}"] if again else [])))
    findings = _of_pair(pair, dataset.groups[rows], Scale(dataset.task), f"all {len(rows):,} held-out pictures")
    how = (
        "Both learnt from the same training pictures of the comparison's folds, each searched with the care of the "
        "comparison; the dense network sees pixels as columns."
    )
    more = "How many pictures each needs, and what shuffled pixels, shifts, turns and other classes do to them: "
    remarks = (how, more + again) if again else (how,)
    return DenseAndConvolutional(tuple(findings), remarks)


def _who_is_missing(comparison: Comparison) -> str:
    """Why there is nothing to compare."""
    results = {fold.contender for fold in comparison.folds if fold.repeat == 0}
    reasons = {standing.contender: standing.reason for standing in comparison.standings}
    missing = [name for name in (DENSE, CONVOLUTIONAL) if name not in results] or [DENSE]
    said = [
        f"the {PLAIN[name].lower()} ({reasons.get(name, '').rstrip('.') or 'no fold in common'})" for name in missing
    ]
    return f"The comparison has no results of {' and '.join(said)}, so the two were not compared on these pictures."


def study_dense_and_convolutional(
    dataset: Dataset[Images],
    contenders: Sequence[Contender],
    comparison: Comparison,
    store: Store,
    folder: Path,
    budget_seconds: float,
    tell: Callable[[str], None] = lambda message: None,
    written: Callable[[DenseAndConvolutional], None] = lambda found: None,
) -> DenseAndConvolutional:
    """The whole table; what ``folder`` holds of the same study is not done again.

    Parameters
    ----------
    dataset : all pictures of the run
    contenders : those of the run; the dense network on pixels and the convolutional network are asked to fit
    comparison, store : of the run: the seed, the configurations that the race chose, its predictions
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
    two = _two(contenders, dataset)
    chosen = {name: result.configuration for name in two if (result := store.result(name, FIRST_FOLD)) is not None}
    from annvil.comparison.data_problem import data_digest

    plan = plan_study(dataset, two, chosen, budget_seconds, comparison.plan.seed, data_digest(dataset))
    shelf = Shelf(folder)
    shelf.open(plan)
    used = dataset.take(np.sort(nested_subset(dataset, np.arange(dataset.n_rows), plan.n_used, plan.seed)))
    split = outer_splits(used, FOLDS, 1, plan.seed)[0][-1 if used.time is not None else 0]
    study = Study(used, split.train, split.test, two, plan, shelf, Deadline(budget_seconds), tell)
    before = _seconds_before(folder)
    found = None
    for _ in study.measure(measure_transfer):
        found = _told(study, dataset, comparison, store, before + time.monotonic() - started)
        write_atomically(folder / "findings.json", msgspec.json.encode(found))
        written(found)
    assert found is not None
    return found


def _two(contenders: Sequence[Contender], dataset: Dataset[Images]) -> dict[str, Contender]:
    """Both networks, the dense one first."""
    from annvil.comparison.data_problem import DataProblem

    by_name = {contender.name: contender for contender in contenders}
    two = {name: by_name[name] for name in (DENSE, CONVOLUTIONAL)}
    for contender in two.values():
        if reason := contender.declines(DataProblem(dataset).shape(dataset.n_rows)):
            raise RequestError(f"{contender.title} cannot be compared on these pictures: {reason}")
    return two


def _seconds_before(folder: Path) -> float:
    """What earlier sittings of the same study took."""
    path = folder / "findings.json"
    if not path.exists():
        return 0.0
    try:
        return msgspec.json.decode(path.read_bytes(), type=DenseAndConvolutional).spent_seconds
    except msgspec.MsgspecError:
        return 0.0  # it is written again from the trials, which are whole


# -- the table ---------------------------------------------------------------------------------------------------------


def _told(
    study: Study, dataset: Dataset[Images], comparison: Comparison, store: Store, spent_seconds: float
) -> DenseAndConvolutional:
    whole = _pair(study, "whole-0")
    if whole is None:
        raise OutOfTime("The budget ended before both networks were trained once; ask again with a longer --budget.")
    scale, groups = Scale(study.data.task), study.data.groups[study.test]
    raced, rows = _from_race(dataset, comparison, store)
    on = f"the {len(study.test):,} test pictures"
    findings = _of_pair(whole, groups, scale, on)
    if raced is not None:
        findings[0] = telling.accuracy(
            raced, dataset.groups[rows], scale, f"all {len(rows):,} held-out pictures of the comparison"
        )
    details: list[Detail] = []
    missing: list[str] = []
    _add_curve(study, whole, groups, scale, findings, details, missing)
    _add_structure(study, whole, groups, scale, findings, missing)
    disturbed_groups = study.data.groups[study.disturbed_rows()]
    for beginning, key in (("shifted by", "shifts"), ("turned by", "turns")):
        found = telling.disturbed(whole, disturbed_groups, scale, beginning, key)
        if found is not None:
            findings.append(found)
    _add_transfer(study, scale, findings, details, missing)
    looks = None
    dense, convolutional = kept_looks(whole.dense), kept_looks(whole.convolutional)
    if dense is not None and convolutional is not None:
        finding, looks = tell_looks(dense, convolutional)
        findings.append(finding)
    return DenseAndConvolutional(
        findings=tuple(findings),
        remarks=_remarks(study, whole),
        left_out=(*missing, *_no_time(study.left_out)),
        details=tuple(details),
        looks=looks,
        spent_seconds=round(spent_seconds, 1),
    )


def _no_time(left_out: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if not left_out:
        return ()
    parts = [f"{'both' if len(names) > 1 else names[0]} {words}" for words, names in left_out.items()]
    return (f"There was no time to train: {'; '.join(parts)}.",)


def _of_pair(pair: Pair, groups: IntArray, scale: Scale, on: str) -> list[Finding]:
    rows = (
        telling.accuracy(pair, groups, scale, on),
        telling.parameters(pair),
        telling.operations(pair),
        telling.time_to_train(pair),
        telling.time_to_predict(pair),
        telling.memory(pair),
    )
    return [row for row in rows if row is not None]


def _pair(study: Study, key: str) -> Pair | None:
    dense, convolutional = (study.shelf.trial(name, key) for name in (DENSE, CONVOLUTIONAL))
    return None if dense is None or convolutional is None else Pair(dense, convolutional)


def _add_curve(
    study: Study,
    whole: Pair,
    groups: IntArray,
    scale: Scale,
    findings: list[Finding],
    details: list[Detail],
    missing: list[str],
) -> None:
    pairs = {size: found for size in study.plan.curve_sizes if (found := _pair(study, f"curve-{size}")) is not None}
    if not pairs:
        why = "the budget" if study.plan.curve_sizes else "there are too few pictures"
        missing.append(f"How many pictures each network needs was not measured ({why}).")
        return
    pairs[len(study.train)] = whole
    finding, rows = telling.data_needed(pairs, groups, scale, study.plan.seed)
    findings.append(finding)
    sentence = (
        f"{scale.name[:1].upper()}{scale.name[1:]} on the same {len(study.test):,} test pictures; each smaller set "
        "lies inside the larger ones. The last column is read off the dense network's curve."
    )
    details.append(Detail("curve", "Pictures needed by each network", sentence, rows))


def _add_structure(
    study: Study, whole: Pair, groups: IntArray, scale: Scale, findings: list[Finding], missing: list[str]
) -> None:
    trainings, side = range(study.plan.trainings), study.plan.side
    shuffles = [found for again in trainings if (found := _pair(study, f"shuffled-{again}")) is not None]
    original = "whole" if side == 1 else "small"
    originals = [found for again in trainings if (found := _pair(study, f"{original}-{again}")) is not None]
    if not shuffles or not originals:
        missing.append("What the order of the pixels is worth was not measured (the budget).")
        return
    small = "" if side == 1 else f" of pictures averaged over {side} × {side} pixels"
    findings.append(telling.structure(originals, shuffles, groups, scale, small))


def _add_transfer(
    study: Study,
    scale: Scale,
    findings: list[Finding],
    details: list[Detail],
    missing: list[str],
) -> None:
    if not study.plan.per_class:
        missing.append(study.plan.no_transfer)
        return

    pairs = {}
    for n in study.plan.per_class:
        nothing, start = _pair(study, f"nothing-{n}"), _pair(study, f"start-{n}")
        if nothing is not None and start is not None:
            pairs[n] = (nothing, start)
    if not pairs:
        missing.append("What a start from other classes is worth was not measured (the budget).")
        return
    old, new = halves_of_classes(study)
    test = study.test[np.isin(study.data.y[study.test], new)]
    finding, rows = telling.transfer(pairs, study.data.groups[test], scale, (len(old), len(new)))
    findings.append(finding)
    names = [str(study.data.task.classes[code]) for code in old]
    learnt = ", ".join(names if len(names) <= 8 else [*names[:7], f"{len(names) - 7} more"])
    sentence = (
        f"Layers learnt on {learnt} are kept as they are, and a new last one is learnt for the {len(new)} other "
        "classes; beside it the same network learnt from nothing on the same pictures."
    )
    details.append(Detail("transfer", "What a start from other classes gains", sentence, rows))
    few = [str(n) for n in PER_CLASS if n not in study.plan.per_class]
    if few:
        which = " or ".join(few)
        missing.append(f"Transfer with {which} pictures a class was not measured: there are not so many, or no time.")


def _remarks(study: Study, whole: Pair) -> tuple[str, ...]:
    plan, n = study.plan, len(study.train)
    of = "" if plan.n_used == plan.n_rows else f" of {plan.n_rows:,}, drawn for the budget,"
    how = (
        f"{plan.n_used:,} pictures{of} were divided once: {n:,} to learn from, {len(study.test):,} to be judged on. "
        "Both networks were given the same pictures, the same holdout to choose and calibrate by, and up to "
        f"{plan.training_seconds:.2g} s for a training; intervals are 95%."
    )
    convolutional = whole.convolutional.summary.removesuffix("; none")  # no augmentation, which is said more plainly
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
    cut = [PLAIN[trial.contender].lower() for trial in (whole.dense, whole.convolutional) if trial.cut_short]
    if cut:
        said.append(f"A training was stopped before its end, which is hard on the {' and the '.join(cut)}.")
    return tuple(said)


# -- the race ----------------------------------------------------------------------------------------------------------


def _from_race(dataset: Dataset[Images], comparison: Comparison, store: Store) -> tuple[Pair | None, IntArray]:
    """Both networks as they were in the first repeat of the race, on the held-out pictures that both predicted."""
    folds = {
        name: [fold for fold in comparison.folds if fold.contender == name and fold.repeat == 0]
        for name in (DENSE, CONVOLUTIONAL)
    }
    shared = {fold.job for fold in folds[DENSE]} & {fold.job for fold in folds[CONVOLUTIONAL]}
    if not shared:
        return None, np.empty(0, dtype=np.int64)
    trials, rows = {}, np.empty(0, dtype=np.int64)
    for name, results in folds.items():
        both = [fold for fold in results if fold.job in shared]
        trials[name], rows = _raced(dataset, store, name, both)
    return Pair(trials[DENSE], trials[CONVOLUTIONAL]), rows


def _raced(dataset: Dataset[Images], store: Store, name: str, folds: Sequence[FoldResult]) -> tuple[Trial, IntArray]:
    parts = [store.predictions(name, fold.job) for fold in folds]
    rows = np.concatenate([rows for rows, _ in parts])
    losses = dataset.task.shares_wrong(dataset.y[rows], np.concatenate([outputs for _, outputs in parts]))
    order = np.argsort(rows, kind="stable")
    shipped, graph = store.cost(name), store.graph(name)
    cost = None if shipped is None else shipped.cost
    counted = GraphCount() if graph is None else count_graph(graph)
    values: Mapping[str, Any] = {
        "latency_ms": None if cost is None else cost.latency_ms_p50,
        "rows_per_second": None if cost is None else cost.rows_per_second,
        "memory_mb": None if cost is None else cost.peak_memory_mb,
        "operations": counted.operations,
        "shared_weights": counted.shared_weights,
        "weights_at_every_place": counted.weights_at_every_place,
        "weights_joining_all": counted.weights_joining_all,
    }
    trial = Trial(
        contender=name,
        key=telling.RACED,
        n_train=round(float(np.mean([fold.n_train for fold in folds]))),
        n_parameters=folds[0].n_parameters,
        epochs=max((len(curve) for curve in folds[0].history.values()), default=0),
        summary=folds[0].summary,
        configuration=folds[0].configuration,
        fit_seconds=float(np.mean([fold.fit_seconds for fold in folds])),
        losses=as_bytes(losses[order]),
        **values,
    )
    return trial, rows[order]
