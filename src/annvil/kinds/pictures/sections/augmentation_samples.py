"""How the training pictures of a run were changed, to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.kinds.found import Found
from annvil.kinds.pictures.changed_copies import changed_copies, contact_sheet, spread_rows
from annvil.kinds.pictures.images import Images
from annvil.preparation.augmentation import Augmentation
from annvil.sections import Picture, Rows, Section, png

ORIGINALS, COPIES = 6, 6
"""Pictures of the section, and changed copies of each (assumed: what fits on a line)."""

_KEY = "augmentation"


def augmentation_samples(found: Found) -> Iterator[Section]:
    """A section of what the best network that augments was shown in training; none where no network does.

    A contender that augments says so in its configuration, under "augmentation", as `Augmentation.to_json` writes it;
    if it tried several, in the configurations of what it tried too.
    """
    comparison = found.comparison
    for contender in (comparison.verdict.recommended, *(standing.contender for standing in comparison.standings)):
        result = found.store.result(contender, FIRST_FOLD, found.rung(contender))
        if result is not None and _KEY in result.configuration:
            augmentation = Augmentation.from_json(result.configuration[_KEY])
            yield section(found.dataset, augmentation, tried_in(result.tried), [note for note in result.notes if note])
            return


def tried_in(trials: Sequence[Mapping[str, Any]]) -> list[tuple[Augmentation, float]]:
    """The augmentations of the candidates that worked, and their selection losses."""
    found = []
    for trial in trials:
        configuration = trial.get("configuration") or {}
        if _KEY in configuration and trial.get("score") is not None:
            found.append((Augmentation.from_json(configuration[_KEY]), float(trial["score"])))
    return sorted(found, key=lambda pair: pair[1])


def section(
    dataset: Dataset[Images],
    augmentation: Augmentation,
    tried: Sequence[tuple[Augmentation, float]] = (),
    notes: Sequence[str] = (),
) -> Section:
    """Some pictures beside changed copies of them, what was done and why in sentences, and what else was tried."""
    sentences = [*augmentation.describe(), *notes]
    pictures: tuple[Picture, ...] = ()
    if not augmentation.does_nothing:
        labels = dataset.y.tolist() if dataset.task.one_class_a_row else [0] * dataset.n_rows
        rows = spread_rows(labels, ORIGINALS)
        pixels = dataset.inputs.pixels(rows)
        versions = [pixels, *changed_copies(pixels, augmentation, COPIES, 0)]
        classes = dataset.task.classes
        captions = [str(classes[code]) if dataset.task.one_class_a_row else "" for code in dataset.y[rows]]
        pictures = tuple(
            Picture(png(contact_sheet([version[k : k + 1] for version in versions])), caption, sized=True)
            for k, caption in enumerate(captions)
        )
        sentences.append("Each line shows a picture as it is, then as training may show it.")
        if augmentation.mixes:
            sentences.append("Mixing with other pictures is not shown.")
    tables: tuple[Rows, ...] = ()
    if len(tried) > 1:
        sentences.append("Of those tried, it had the least loss on training pictures that the networks did not see.")
        lines = tuple((of.short(), f"{score:.4f}") for of, score in tried)
        tables = (Rows(("What was tried", "Loss"), lines),)
    return Section("augmentation-samples", "Augmentation samples", tuple(sentences), pictures, tables, order=30)
