"""How the training pictures of a run were changed, to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from annvil.comparison import Store
from annvil.comparison.results import Comparison
from annvil.data.images import Images
from annvil.data.table import Dataset, Inputs
from annvil.exhibits import Exhibit, Picture, Rows, png
from annvil.preparation.augmentation import Augmentation
from annvil.preparation.augmented_sets import changed_copies, contact_sheet, spread_rows

ORIGINALS, COPIES = 6, 6
"""Pictures of the exhibit, and changed copies of each (assumed: what fits on a line)."""

_KEY = "augmentation"


def augmentation_samples(dataset: Dataset[Inputs], comparison: Comparison, store: Store) -> Iterator[Exhibit]:
    """An exhibit of what the best network that augments was shown in training; none where no network does.

    A contender that augments says so in its configuration: ``augmentation`` as `Augmentation.to_json` writes it, and
    ``augmentations_tried``, pairs of that and the score.
    """
    if not isinstance(dataset.inputs, Images):
        return
    for contender in (comparison.verdict.recommended, *(standing.contender for standing in comparison.standings)):
        result = store.result(contender, "repeat-0-fold-0")
        if result is not None and _KEY in result.configuration:
            yield exhibit(dataset, Augmentation.from_json(result.configuration[_KEY]), tried_in(result.configuration))
            return


def tried_in(configuration: Mapping[str, Any]) -> tuple[tuple[Augmentation, float], ...]:
    """What was tried and its score, where a configuration keeps it under ``augmentations_tried``."""
    return tuple((Augmentation.from_json(of), float(score)) for of, score in configuration.get(f"{_KEY}s_tried", ()))


def exhibit(
    dataset: Dataset[Images], augmentation: Augmentation, tried: Sequence[tuple[Augmentation, float]] = ()
) -> Exhibit:
    """Some pictures beside changed copies of them, what was done in sentences, and what else was tried."""
    sentences = [*augmentation.describe()]
    pictures: tuple[Picture, ...] = ()
    if not augmentation.does_nothing:
        labels = dataset.y.tolist() if dataset.y.ndim == 1 and dataset.task.is_classification else [0] * dataset.n_rows
        rows = spread_rows(labels, ORIGINALS)
        pixels = dataset.inputs.pixels(rows)
        copies = changed_copies(pixels, augmentation, COPIES, 0)
        pictures = tuple(
            Picture(png(contact_sheet([[pixels[k], *(copy[k] for copy in copies)]])), names)
            for k, names in enumerate(_captions(dataset, rows.tolist()))
        )
        sentences.append("Each line shows a picture as it is, then as training may show it.")
        if augmentation.mixes:
            sentences.append("Mixing with other pictures is not shown.")
    tables: tuple[Rows, ...] = ()
    if tried:
        sentences.append(
            "It was chosen by short trainings, judged on training pictures that these did not see; less loss is better."
        )
        lines = tuple((of.short(), f"{score:.4f}") for of, score in tried)
        tables = (Rows(("What was tried", "Loss"), lines),)
    return Exhibit("augmentation-samples", "Augmentation samples", tuple(sentences), pictures, tables, order=30)


def _captions(dataset: Dataset[Images], rows: Sequence[int]) -> list[str]:
    if not dataset.task.is_classification or dataset.y.ndim > 1:
        return [""] * len(rows)
    return [str(dataset.task.classes[dataset.y[row]]) for row in rows]
