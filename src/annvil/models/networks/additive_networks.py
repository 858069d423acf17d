"""Additive networks: what is chosen among the networks of a search is shortened to the effects that matter.

After GAMI-Net (Yang, Zhang and Sudjianto 2021, arXiv 2003.07132): main effects, pairs that are looked for on residuals,
heredity, pruning by shares of the variance with validation deciding. Departures are in docs/decisions/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Shape
from annvil.models.members import Fitted
from annvil.models.networks.additive_building import tables_of
from annvil.models.networks.additive_family import AdditiveFamily
from annvil.models.networks.additive_member import AdditiveMember
from annvil.models.networks.additive_settings import AdditiveSettings, AdditiveSizes
from annvil.models.networks.additive_tables import Density, EffectTables, Pair
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.recipe import search_ladder
from annvil.models.networks.search import Searched, TrainedCandidate, search
from annvil.models.selection import Candidate, assemble_out_of_fold, judge
from annvil.preparation.base import some
from annvil.tasks.base import FloatArray
from annvil.text.quantities import plain_count

MOST_COLUMNS = 300
"""Tables with more columns are left to others (assumed): nobody reads so many effects."""

STEPS = 16
"""Lengths of the sum that validation compares, at most."""

INDIFFERENCE = 0.1
"""A shorter sum is taken whose validation loss is at most so many standard errors above the best (assumed)."""


class AdditiveNetworks(BaseContender):
    """A sum of effects of columns and pairs of columns; ``monotone`` are +1 or -1 for some of the columns."""

    name = "additive-network"
    title = "Additive network"
    family: Family = "network"
    traits = Traits(trains_together=True, bags=True, weighs_rows=True, explainable=True)

    def __init__(self, monotone: Mapping[str, int] | None = None) -> None:
        self.networks = AdditiveFamily(monotone)

    def declines(self, shape: Shape) -> str | None:
        """Several labels, and hundreds of columns."""
        if shape.task.predicts_probabilities and not shape.task.one_class_a_row:
            return "It has one sum for each answer, and does not share columns between several labels."
        if shape.n_numbers + shape.n_texts > MOST_COLUMNS:
            return f"It would have an effect for each of more than {MOST_COLUMNS} columns: nobody could read it."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One short training; then the search on a holdout, on five folds, of all candidates, and longer."""
        return search_ladder(self.networks, shape)

    def settings(self, dataset: Dataset, job: Job, effort: Effort) -> list[AdditiveSettings]:
        """The configuration given, or the first of the portfolio."""
        if effort.configuration is not None:
            return [AdditiveSettings.from_json(effort.configuration)]
        n_train = max(len(split.train) for split in job.inner)
        return list(self.networks.portfolio(dataset.task.predicts_probabilities, n_train)[: effort.candidates])

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Train the population, choose for every job, shorten what was chosen, and train that again.

        The second training is GAMI-Net's last stage, from new weights: so a configuration repeats a fit to the bit.
        Where there is no time for it, what was left out is only left out.
        """
        running = context.begin()

        def trained(wanted: Mapping[str, Sequence[AdditiveSettings]]) -> list[Searched[AdditiveSettings]]:
            left = replace(context, seconds_left=running.deadline.left)
            chosen = [job for job in jobs if job.key in wanted]
            return list(search(dataset, chosen, self.networks, lambda job, _: wanted[job.key], effort, left))

        first = trained({job.key: self.settings(dataset, job, effort) for job in jobs})
        whole = [shortened(self.name, dataset, self.networks, searched) for searched in first]
        again: dict[str, Fitted] = {}
        if effort.configuration is None and not any(fitted.cut_short for fitted in whole):
            wanted = {fitted.job.key: [AdditiveSettings.from_json(fitted.configuration)] for fitted in whole}
            for searched in trained(wanted):
                again[searched.job.key] = shortened(self.name, dataset, self.networks, searched)
        for fitted in whole:
            second = again.get(fitted.job.key)
            yield fitted if second is None or second.cut_short else _after(fitted, second)


def _after(first: Fitted, second: Fitted) -> Fitted:
    """What was trained again, with the search before it."""
    return replace(
        second,
        tried=first.tried,
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
        fit_seconds=first.fit_seconds + second.fit_seconds,
        core_seconds=first.core_seconds + second.core_seconds,
    )


def shortened(name: str, dataset: Dataset, family: AdditiveFamily, searched: Searched[AdditiveSettings]) -> Fitted:
    """The best candidate, with the fewest effects that the inner splits find no worse.

    Where the configuration was given, with those of the configuration.
    """
    best = min(searched.candidates, key=lambda candidate: candidate.trial.score)
    fitted = best_fitted(name, dataset, family, searched, lambda best: "")
    sizes, settings = searched.data.sizes, best.settings
    member: AdditiveMember = fitted.members[0]  # type: ignore[assignment]
    if settings.columns is not None:
        return replace(fitted, summary=_summary(member, best))
    means, folds = _purified(searched, best)
    order = _by_importance(sizes, means, settings.n_pairs)
    columns, pairs, outputs = _shortest(dataset, searched, folds, order, member)
    member = replace(member, tables=means.kept(columns, pairs))
    names = [one.name for one in sizes.knots.knots]
    chosen = replace(
        settings,
        columns=tuple(names[j] for j in sorted({*columns, *(j for pair in pairs for j in pair)})),
        pairs=tuple((names[a], names[b]) for a, b in pairs),
    )
    trial = judge(dataset, searched.job, outputs, Candidate(settings.to_json(), settings.describe()))
    return replace(
        fitted,
        members=(member,),
        calibration=trial.calibration,
        out_of_fold=trial.out_of_fold,
        configuration=chosen.to_json(),
        summary=_summary(member, best),
    )


def _purified(
    searched: Searched[AdditiveSettings], best: TrainedCandidate[AdditiveSettings]
) -> tuple[EffectTables, list[EffectTables]]:
    """The mean of the networks' tables, and those of each network."""
    sizes: AdditiveSizes = searched.data.sizes
    raw = [tables_of(sizes, network, searched.data.target) for network in best.networks]  # type: ignore[arg-type]
    density = Density.of(sizes.knots, sizes.fine, sizes.coarse, {pair for one in raw for pair in one.pairs})
    folds = [one.purified(sizes.knots, density) for one in raw]
    return EffectTables.mean(folds), folds


Effect = int | Pair
"""A column, or a pair of columns."""


def _by_importance(sizes: AdditiveSizes, tables: EffectTables, n_pairs: int) -> list[Effect]:
    """Columns and pairs by the variance that they add; a pair comes after one of its columns at least."""
    spread: dict[Effect, float] = {}
    for j, effect in enumerate(tables.effects):
        spread[j] = float((sizes.density.slots[j] @ effect**2).sum())
    cells = Density.of(sizes.knots, sizes.fine, sizes.coarse, tables.pairs).cells
    for pair, grid in tables.pairs.items():
        spread[pair] = float(np.einsum("ab,abk->", cells[pair], grid**2))
    order: list[Effect] = []
    waiting = sorted(spread, key=lambda one: -spread[one])
    strongest = [one for one in waiting if isinstance(one, tuple)][:n_pairs]
    waiting = [one for one in waiting if not isinstance(one, tuple) or one in strongest]
    while waiting:
        chosen = next(one for one in waiting if not isinstance(one, tuple) or set(one) & set(order))
        waiting.remove(chosen)
        if spread[chosen] > 0:
            order.append(chosen)
        elif all(isinstance(one, tuple) and not set(one) & set(order) for one in waiting):
            break
    return order


def _shortest(
    dataset: Dataset,
    searched: Searched[AdditiveSettings],
    folds: Sequence[EffectTables],
    order: Sequence[Effect],
    member: AdditiveMember,
) -> tuple[list[int], list[Pair], list[FloatArray]]:
    """Columns and pairs of the shortest sum that is no worse, and its outputs for the test rows of every fold."""
    lengths = sorted({round(float(at)) for at in np.geomspace(1, len(order), STEPS)}) if order else [0]
    outputs = [_prefixes(searched, tables, order, lengths, split, member) for split, tables in enumerate(folds)]
    y = dataset.truth(searched.job.rows)
    losses = []
    for at in range(len(lengths)):
        raw = assemble_out_of_fold(searched.job, [one[at] for one in outputs])
        tested = np.isfinite(raw).all(axis=1)
        losses.append(dataset.task.row_losses(y[tested], raw[tested]))
    means = np.array([loss.mean() for loss in losses])
    best = int(np.argmin(means))
    chosen = best
    for at in range(best):
        difference = losses[at] - losses[best]
        if difference.mean() <= INDIFFERENCE * difference.std() / np.sqrt(len(difference)):
            chosen = at
            break
    kept = order[: lengths[chosen]]
    columns = [one for one in kept if not isinstance(one, tuple)]
    return columns, [one for one in kept if isinstance(one, tuple)], [one[chosen] for one in outputs]


def _prefixes(
    searched: Searched[AdditiveSettings],
    tables: EffectTables,
    order: Sequence[Effect],
    lengths: Sequence[int],
    split: int,
    member: AdditiveMember,
) -> list[FloatArray]:
    """Outputs for a split's test rows of the first effects of the order, for every length."""
    sizes: AdditiveSizes = searched.data.sizes
    _, test = searched.data.splits[split]
    fine, coarse = ((at[test], share[test]) for at, share in (sizes.fine, sizes.coarse))
    columns, pairs = tables.of_columns(fine), tables.of_pairs(coarse)
    place = {pair: at for at, pair in enumerate(tables.pairs)}
    scores = np.tile(tables.base, (len(test), 1))
    found, done = [], 0
    for length in lengths:
        for one in order[done:length]:
            if not isinstance(one, tuple):
                scores = scores + columns[:, one]
            elif one in place:
                scores = scores + pairs[:, place[one]]
        done = length
        found.append(member.said(scores))
    return found


def _summary(member: AdditiveMember, best: TrainedCandidate[AdditiveSettings]) -> str:
    """For people: ``"effects of 6 of 13 columns and 4 pairs; …, 5 networks averaged, best epoch 20 of at most 32"``."""
    used = member.columns_with_effect
    idle = sorted({name for one in member.knots.knots for name in one.columns} - used)
    several = f", {len(best.networks)} networks averaged" if len(best.networks) > 1 else ""
    epoch = round(float(np.mean([one.best_epoch for one in best.trained])))
    parts = [f"effects of {plain_count(len(used), 'column')} and {plain_count(len(member.tables.pairs), 'pair')}"]
    parts += [f"none of {some(idle, 4)}"] if idle else []
    settings = best.settings
    told = f"learning rate {settings.learning_rate:g}, penalty {settings.weight_decay:.2g}"
    return "; ".join(parts) + f"; {told}{several}, best epoch {epoch} of at most {best.trained[0].epochs}"
