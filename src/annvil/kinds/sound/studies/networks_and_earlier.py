"""What did the networks bring over the earlier way? Hidden Markov models and networks on the same held-out clips.

Everything needed lies in the run: both sides were judged on the same folds, and what each said of every held-out clip
is kept. So nothing is trained here, and the answer is that of the run: the difference with what is believed of it,
clips that only one side gets right, speakers one by one, and what both cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.comparison.contrast import pair
from annvil.comparison.results import FoldResult, Side, Standing, fold_key
from annvil.comparison.sides import Posterior
from annvil.errors import RequestError
from annvil.files import write_atomically
from annvil.kinds.found import Found
from annvil.kinds.sound.studies.findings import Finding, NetworksAndEarlier
from annvil.sections import Rows, Section
from annvil.tasks.base import IntArray
from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Targets
from annvil.text.phrases import inside, shorten
from annvil.text.quantities import percent, plain_count, probability, seconds, size, times, told

EARLIER = "hidden-markov"
"""The contender that stands for the earlier way."""

MOST_SPEAKERS = 40
"""Rows of the table of speakers; of more, those with the largest differences are shown (assumed)."""

FEWEST_SPEAKERS = 2


@dataclass(frozen=True)
class Held:
    """Held-out clips of the first repeat, each of them once.

    Attributes
    ----------
    rows : of the data set ``(n,)``
    earlier, network : whether each side was right ``(n,)``
    """

    rows: IntArray
    earlier: NDArray[np.bool_]
    network: NDArray[np.bool_]


def study_networks_and_earlier(
    found: Found,
    folder: Path,
    budget_seconds: float,
    tell: Callable[[str], None] = lambda message: None,
    written: Callable[[Sequence[Section]], None] = lambda sections: None,
) -> NetworksAndEarlier:
    """The whole table; nothing is trained, so the budget does not matter.

    Raises
    ------
    RequestError
        When one of the sides has no score in the run, with what to do.
    """
    comparison, metric = found.comparison, found.dataset.task.metric(found.comparison.metric)
    scored = [one for one in comparison.standings if one.per_fold]
    networks = [one.contender for one in scored if one.family == "network"]
    if not any(one.contender == EARLIER for one in scored) or not networks:
        lacking = "a network" if not networks else "hidden Markov models"
        raise RequestError(
            f"{found.place} has no score of {lacking}, so there is nothing to set beside each other. "
            "Fit again with a longer --budget."
        )
    paired = pair(comparison.folds, scored, metric)
    contrast = paired.contrast(networks, [EARLIER], comparison.worth, ("network", EARLIER))
    assert contrast.first is not None
    assert contrast.second is not None
    held = _held_out(found, contrast.first, paired.results)
    tell(f"{plain_count(len(held.rows), 'held-out clip')} of both sides are set beside each other.")
    leader = max(contrast.first.contenders, key=contrast.first.contenders.count)
    standing = {one.contender: one for one in scored}
    result = NetworksAndEarlier(
        findings=(
            _score(metric, contrast.first, contrast.second, contrast.posterior),
            _alone(held),
            *_costs(standing[EARLIER], standing[leader]),
        ),
        remarks=_remarks(found, contrast.first, standing),
        network=standing[leader].title,
        speakers=_speakers(found, held),
    )
    write_atomically(folder / "findings.json", msgspec.json.encode(result))
    written(result.sections())
    return result


def _held_out(found: Found, network: Side, results: Any) -> Held:
    """What both sides said of the test rows of the first repeat; in every fold the network that stood for its side."""
    rows, right = [], {EARLIER: list[Any](), "network": list[Any]()}
    places = sorted(place for place in results[EARLIER] if place[0] == 0)
    for place, chosen in zip(places, network.contenders, strict=False):
        for side, name in ((EARLIER, EARLIER), ("network", chosen)):
            told_of = found.store.predictions(name, fold_key(*place), found.rung(name))
            fold: FoldResult = results[name][place]
            truth = Targets.of(found.dataset.truth(told_of.rows)).y
            right[side].append(found.dataset.task.right(truth, told_of.outputs, fold.threshold))
            if side == EARLIER:
                rows.append(told_of.rows)
    return Held(np.concatenate(rows), np.concatenate(right[EARLIER]), np.concatenate(right["network"]))


def _score(metric: Metric, network: Side, earlier: Side, posterior: Posterior | None) -> Finding:
    gain = metric.gain(network.mean, earlier.mean)
    cells = metric.shows_mean(earlier.mean, earlier.spread), metric.shows_mean(network.mean, network.spread)
    if posterior is None:
        sentence = f"Networks gain {told(metric, gain, True)}, measured once: how sure that is cannot be said."
    else:
        low, high = (told(metric, end, True) for end in (posterior.low, posterior.high))
        sentence = (
            f"Networks gain {told(metric, posterior.mean, True)}, with 95% between {low} and {high}; that they are "
            f"better by more than {told(metric, posterior.worth)} has a chance of {probability(posterior.p_first)}."
        )
    numbers = {"earlier": earlier.per_fold, "network": network.per_fold, "gain": gain}
    return Finding("score", metric.title, cells, sentence, numbers)


def _alone(held: Held) -> Finding:
    """Clips that only one of the sides gets right."""
    only_earlier = int((held.earlier & ~held.network).sum())
    only_network = int((held.network & ~held.earlier).sum())
    neither = int((~held.network & ~held.earlier).sum())
    n = len(held.rows)
    sentence = (
        f"Right among {plain_count(n, 'held-out clip')}: {only_network:,} with the networks alone, {only_earlier:,} "
        f"with hidden Markov models alone; with neither {neither:,}."
    )
    numbers = {"only_earlier": only_earlier, "only_network": only_network, "neither": neither, "n": n}
    cells = f"{only_earlier:,}", f"{only_network:,}"
    return Finding("alone", "Right where the other is wrong", cells, sentence, numbers)


def _costs(earlier: Standing, network: Standing) -> list[Finding]:
    """What both cost, as measured by the run on its machine; nothing where one was not measured."""
    if earlier.cost is None or network.cost is None:
        return []
    found = [_cost("training", "Processor time to train, a fold", earlier.cost.core_seconds, network.cost.core_seconds)]
    if earlier.cost.latency_ms_p50 is not None and network.cost.latency_ms_p50 is not None:
        pairs = earlier.cost.latency_ms_p50 / 1e3, network.cost.latency_ms_p50 / 1e3
        found.append(_cost("latency", "Time for one clip", *pairs))
    if earlier.cost.size_bytes and network.cost.size_bytes:
        pairs = float(earlier.cost.size_bytes), float(network.cost.size_bytes)
        found.append(_cost("size", "Size of the model", *pairs, shown=size))
    return found


def _cost(key: str, what: str, earlier: float, network: float, shown: Callable[[float], str] = seconds) -> Finding:
    side = "networks" if network >= earlier else "hidden Markov models"
    ratio = max(earlier, network) / max(min(earlier, network), 1e-9)
    sentence = "About the same." if ratio < 1.1 else f"{times(ratio)} times as much for {side}."
    return Finding(key, what, (shown(earlier), shown(network)), sentence, {"earlier": earlier, "network": network})


def _speakers(found: Found, held: Held) -> Rows | None:
    """Shares of clips that are right, speaker by speaker; None where speakers are not known or there is one."""
    if not found.dataset.grouped:
        return None
    groups = found.dataset.groups[held.rows]
    numbers = np.unique(groups)
    if len(numbers) < FEWEST_SPEAKERS:
        return None
    names = found.dataset.inputs.store.speakers
    rows = []
    for number in numbers:
        own = groups == number
        earlier, network = float(held.earlier[own].mean()), float(held.network[own].mean())
        name = names[number] if number < len(names) else f"speaker {number + 1}"
        cells = (f"{own.sum():,}", percent(earlier), percent(network), f"{100 * (network - earlier):+.1f} points")
        rows.append((network - earlier, (shorten(name), *cells)))
    rows.sort(key=lambda one: one[0])
    if len(rows) > MOST_SPEAKERS:
        rows = [*rows[: MOST_SPEAKERS // 2], *rows[-MOST_SPEAKERS // 2 :]]
    header = ("Speaker", "Clips", "Hidden Markov models", "Networks", "Difference")
    return Rows(header, tuple(cells for _, cells in rows))


def _remarks(found: Found, network: Side, standing: dict[str, Standing]) -> tuple[str, ...]:
    names = list(dict.fromkeys(network.contenders))
    titles = " and ".join(inside(standing[name].title) for name in names)
    said = [f"In each fold the network that its inner validation preferred stands for the networks: {titles}."]
    if found.dataset.grouped:
        said.append("Every clip was held out with all clips of its speaker: both sides hear new voices.")
    else:
        said.append(
            "Speakers are not known, so both sides may have heard the voices that they are judged on. With new voices "
            "both do worse; say who speaks with --groups."
        )
    return tuple(said)
