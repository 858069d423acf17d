"""The section of changed training pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from annvil.kinds.found import Found
from annvil.kinds.pictures.reading.read_images import read_images
from annvil.kinds.pictures.sections.augmentation_samples import augmentation_samples, section, tried_in
from annvil.models.jobs import Deadline
from annvil.preparation.augmentation import Augmentation

RANDOM = np.random.default_rng(0)
DATASET = read_images((RANDOM.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.repeat(["ant", "bee"], 20)))


def run(results: dict[str, Any]) -> Any:
    """A comparison whose verdict and standings are these contenders, and a store of what they are judged by."""
    standings = [SimpleNamespace(contender=name, rung=2) for name in results]
    comparison = SimpleNamespace(verdict=SimpleNamespace(recommended=next(iter(results))), standings=standings)
    store = SimpleNamespace(result=lambda contender, job, rung: results[contender] if rung == 2 else None)
    return Found(DATASET, comparison, store, Path("run"), Path("model"), Deadline(60.0))  # type: ignore[arg-type]


def result(configuration: dict[str, Any], tried: tuple[Any, ...] = (), notes: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(configuration=configuration, tried=tried, notes=notes)


def test_the_best_contender_that_augments_is_shown() -> None:
    tried = (
        {"configuration": {"augmentation": {}}, "score": 0.5},
        {"configuration": {"augmentation": {"shift": 1}}, "score": 0.25},
        {"configuration": {"augmentation": {"shift": 2}}, "score": None},
    )
    results = {
        "trees": result({"depth": 3}),
        "convolutional": result({"augmentation": {"shift": 1, "mixup": 0.2}}, tried, ("Seen: 90%.",)),
    }
    (found,) = augmentation_samples(run(results))
    assert found.sentences[0] == "Training pictures are shifted by up to 1 pixel in both directions."
    assert "Seen: 90%." in found.sentences
    assert any("mixing" in sentence.lower() for sentence in found.sentences)
    assert [picture.caption for picture in found.pictures] == ["ant"] * 3 + ["bee"] * 3
    assert found.tables[0].rows == (("shifts of 1 pixel", "0.2500"), ("none", "0.5000"))


def test_nothing_is_shown_where_nobody_augments() -> None:
    assert not list(augmentation_samples(run({"trees": result({}), "gone": None})))


def test_pictures_that_stay_as_they_are_are_said_to() -> None:
    found = section(DATASET, Augmentation())
    assert found.sentences == ("Training pictures are used as they are.",)
    assert not found.pictures
    assert not found.tables


def test_trials_without_an_augmentation_do_not_count() -> None:
    assert tried_in([{"configuration": None, "score": 1.0}, {"what": "x", "score": 1.0}]) == []
