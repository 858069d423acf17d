"""What a model of pictures has learnt, to look at: where it looks, what it finds typical, what it mixes up.

Every function makes one `Section` from pictures and what was said of them, or None where there is nothing to show.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.findings import Finding
from annvil.explanation.deletion import LEAST_GAIN
from annvil.kinds.pictures.explanation.confusion import matrix
from annvil.kinds.pictures.explanation.explain import PASSES, Explanation, explain_picture
from annvil.kinds.pictures.explanation.faithfulness import MOST_ALIKE
from annvil.kinds.pictures.explanation.padding import finding_of
from annvil.kinds.pictures.explanation.render import beside, enlarged, strip
from annvil.kinds.pictures.explanation.saliency import TITLES, Method, Pixels
from annvil.kinds.pictures.explanation.subject import Subject
from annvil.sections import Picture, Rows, Section, png
from annvil.tasks.base import FloatArray, IntArray, Task
from annvil.text.phrases import listed, shorten
from annvil.text.quantities import number, percent

MOST_CLASSES = 12
"""Classes that are shown with pictures of their own (assumed)."""

TYPICAL, ODD = 4, 2
"""Pictures of a class that are most and least like the others of it (assumed)."""

SIDE = 56
"""Pixels of the longer side of a small picture (assumed)."""

_LONGEST_NAME = 24


def short(label: object) -> str:
    """A label that fits under a picture."""
    return shorten(label, _LONGEST_NAME)


@dataclass(frozen=True)
class MethodResult:
    """What the tests found of one method over several pictures.

    Attributes
    ----------
    trusted, n : maps that passed, and all
    testable : maps of pictures parts of which matter when covered
    alike : mean rank correlation with the maps of shuffled networks, or None
    gain, gain_error : mean area that the map's order leaves less under the deletion curve than random orders, and its
        standard error
    """

    method: Method
    trusted: int
    n: int
    alike: float | None
    gain: float
    gain_error: float
    testable: int

    @property
    def holds(self) -> bool:
        """Whether the method is clearly better than chance on this model: both tests, on the mean over the pictures."""
        changes = self.alike is None or self.alike <= MOST_ALIKE
        return changes and self.gain >= max(LEAST_GAIN, 2 * self.gain_error) and self.n > 1

    @property
    def verdict(self) -> str:
        """What follows, in a few words."""
        if not self.testable:
            return "no effect to test"
        if self.n == 1:
            return "one map is too few to tell"
        if not self.holds:
            return "do not trust"
        return "can be trusted" if 2 * self.trusted > self.n else "weak: trust only maps without a frame"


def results_of(explanations: Sequence[Explanation]) -> tuple[MethodResult, ...]:
    """The tests of each method over all pictures, in the order in which the maps are shown."""
    found = []
    for method in TITLES:
        maps = [one for explanation in explanations for one in explanation.maps if one.saliency.method == method]
        if not maps:
            continue
        alikes = [one.alike for one in maps if one.alike is not None]
        gains = np.array([one.deletion.gain for one in maps])
        found.append(
            MethodResult(
                method,
                sum(one.trusted for one in maps),
                len(maps),
                float(np.mean(alikes)) if alikes else None,
                float(gains.mean()),
                float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else float("inf"),
                sum(one.testable for one in maps),
            )
        )
    return tuple(found)


def where_it_looks(
    subject: Subject,
    pixels: Pixels,
    truths: Sequence[str],
    *,
    seen: bool,
    methods: Collection[Method] = tuple(PASSES),
    padded: Sequence[NDArray[np.bool_]] = (),
    left: Callable[[], float] = lambda: math.inf,
) -> Section | None:
    """Pictures beside the maps of what the model's answer rests on, and the tests of the maps.

    Parameters
    ----------
    pixels : pictures of the model's form ``(n, height, width, channels)``, in the order of their importance
    truths : what each shows, for the caption
    seen : whether the model learnt from these pictures
    methods : maps to make of each, as far as the model has them
    padded : of each picture the pixels that bring it to the model's shape; none where it is not known
    left : seconds left, asked before each picture after the first: it is made where they are as many as the last took
    """
    explanations: list[Explanation] = []
    took = 0.0
    for one, bands in zip_longest(pixels, padded):
        if explanations and left() < took:
            break
        began = time.monotonic()
        explanations.append(explain_picture(subject, one, methods=methods, padded=bands))
        took = time.monotonic() - began
    if not explanations:
        return None
    results = results_of(explanations)
    columns = ", ".join(["the picture", *(TITLES[result.method] for result in results)])
    sentences = [_overall(results), f"In each row: {columns}. Red speaks for what the model says, blue against it."]
    if any(result.trusted < result.n for result in results):
        sentences.append("Maps in a red frame failed a test on this picture, or cannot be tested: do not trust them.")
    if subject.why_none:
        sentences.append(subject.why_none)
    if seen:
        sentences.append("The model has learnt from these pictures; it may look elsewhere in new ones.")
    if len(explanations) < len(pixels):
        sentences.append(f"Time allowed {len(explanations)} of {len(pixels)} pictures.")
    pictures = tuple(
        Picture(png(strip(one.pixels, one.maps)), _told(one, truth), bool(one.maps and not one.trusted), sized=True)
        for one, truth in zip(explanations, truths, strict=False)
    )
    findings = _findings(explanations, results)
    sentences += [finding.what for finding in findings]
    return Section(
        "where-it-looks", "Where the model looks", tuple(sentences), pictures, (_tests(results),), 20, findings
    )


def _findings(explanations: Sequence[Explanation], results: Sequence[MethodResult]) -> tuple[Finding, ...]:
    """Whether the evidence lies in the padding, by the method that passed its tests most often."""
    best = max(results, key=lambda result: result.trusted)
    maps = [(one, each) for each in explanations for one in each.maps if one.trusted]
    found = [each.in_padding(one) for one, each in maps if one.saliency.method == best.method]
    target = explanations[0].task.target
    return finding_of([shares for shares in found if shares], TITLES[best.method].lower(), target)


def _told(explanation: Explanation, truth: str) -> str:
    if not explanation.task.predicts_probabilities:
        return f"{truth}, predicted {number(explanation.outputs[0])}"
    said, sure = explanation.label, percent(explanation.outputs[explanation.output], brief=True)
    return f"{truth} ({sure})" if said == truth else f"{truth}, predicted {short(said)} ({sure})"


def _overall(results: Sequence[MethodResult]) -> str:
    trusted = [TITLES[result.method] for result in results if result.verdict == "can be trusted"]
    if not any(result.testable for result in results):
        return "These maps cannot be tested: whatever is covered, the model says the same of these pictures."
    if results[0].n == 1:
        return "One picture is too few to tell which methods hold with this model: each map says whether it passed."
    if not trusted:
        return "Do not trust these maps: on the whole no method passed its tests with this model."
    if len(trusted) == len(results):
        return f"These maps passed the tests of what the model really uses: {listed(trusted)}."
    return f"Trust {listed(trusted)}; on the whole the other maps did not pass the tests with this model."


def _tests(results: Sequence[MethodResult]) -> Rows:
    header = ("Method", "Maps that passed", "Rank correlation with shuffled weights", "Gain over random order", "So")
    rows = []
    for result in results:
        alike = "no weights at hand" if result.alike is None else f"{result.alike:.2f} (at most {MOST_ALIKE})"
        error = f" ± {result.gain_error:.2f}" if np.isfinite(result.gain_error) else ""
        passed = f"{result.trusted} of {result.n}"
        rows.append((TITLES[result.method], passed, alike, f"{result.gain:+.2f}{error}", result.verdict))
    return Rows(header, tuple(rows))


def typical_pictures(
    task: Task, features: FloatArray, y: NDArray[Any], gather: Callable[[IntArray], Pixels], what: str
) -> Section | None:
    """For each class the pictures nearest to the mean of its features, and those farthest from it.

    Parameters
    ----------
    features : what the model makes of each picture ``(n, n_features)``
    y : class numbers ``(n,)``, or 0 and 1 ``(n, n_classes)`` where several are right at once
    gather : positions → pixels
    what : which pictures these are, such as ``"1,000 held-out pictures"``
    """
    pictures = []
    for code, label in enumerate(task.classes[:MOST_CLASSES]):
        rows = np.flatnonzero(y == code if y.ndim == 1 else y[:, code] == 1)
        if len(rows) < TYPICAL + ODD:
            continue
        away = np.square(features[rows] - features[rows].mean(axis=0)).sum(axis=1)
        order = rows[np.argsort(away, kind="stable")]
        tiles = [enlarged(one, SIDE) for one in gather(np.concatenate([order[:TYPICAL], order[-ODD:][::-1]]))]
        row = beside([beside(tiles[:TYPICAL]), beside(tiles[TYPICAL:])], gap=24)
        pictures.append(Picture(png(row), short(label), sized=True))
    if not pictures:
        return None
    left_out = len(task.classes) - len(pictures)
    sentences = [
        (
            f"Of each class the {TYPICAL} pictures most like the others of it as the model sees them, then the {ODD} "
            f"least like them, among {what}."
        ),
        "Look at the odd ones first: wrong labels, unusual pictures and what the class really contains show there.",
    ]
    if left_out:
        sentences.append(f"{left_out} of {len(task.classes)} classes are not shown (too few pictures, or too many).")
    return Section("typical-pictures", "Typical and odd pictures", tuple(sentences), tuple(pictures), order=30)


def mixed_up(
    task: Task, y: IntArray, decided: IntArray, sure: FloatArray, gather: Callable[[IntArray], Pixels], what: str
) -> Section | None:
    """The confusion matrix with the most certain mistake in each cell; None without a mistake.

    Parameters
    ----------
    y, decided : class numbers ``(n,)``
    sure : probability of the class decided for ``(n,)``
    gather, what : as of `typical_pictures`
    """
    wrong = decided != y
    if not wrong.any() or y.ndim != 1:
        return None
    n_classes = len(task.classes)
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (y, decided), 1)
    missed = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    shown = np.sort(np.argsort(-missed, kind="stable")[:MOST_CLASSES])
    surest = np.argsort(-sure, kind="stable")
    cells, first = np.unique(np.stack([y, decided])[:, surest], axis=1, return_index=True)
    wanted = np.isin(cells, shown).all(axis=0)
    examples = gather(surest[first[wanted]])
    places = np.searchsorted(shown, cells[:, wanted]).T.tolist()
    tiles = {(row, column): one for (row, column), one in zip(places, examples, strict=True)}
    names = [short(task.classes[number]) for number in shown]
    picture = Picture(png(matrix(names, counts[np.ix_(shown, shown)], tiles, SIDE)), sized=True)
    errors = zip(*np.nonzero(counts - np.diag(np.diag(counts))), strict=True)
    often = sorted(((int(a), int(b)) for a, b in errors), key=lambda cell: (-counts[cell], cell))
    most = often[0]
    total = int(counts[most[0]].sum())
    sentences = [
        (
            f"Most often {short(task.classes[most[0]])} was taken for {short(task.classes[most[1]])}: "
            f"{counts[most]:,} of {total:,} among {what}."
        ),
        (
            "Rows are the true class, columns the predicted one; each cell shows its most certain mistake and how many "
            "there are, the diagonal a picture classified correctly."
        ),
    ]
    if n_classes > len(shown):
        sentences.append(f"Shown are the {len(shown)} of {n_classes} classes that are mixed up most.")
    rows = tuple(
        (short(task.classes[a]), short(task.classes[b]), f"{counts[a, b]:,}", f"{counts[a, b] / counts[a].sum():.1%}")
        for a, b in often[:10]
    )
    table = Rows(("True class", "Predicted", "Pictures", "Share of the class"), rows)
    return Section("mixed-up", "Most frequent confusions", tuple(sentences), (picture,), (table,), order=10)
