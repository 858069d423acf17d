"""Strengths: what is accepted, how it is said, what is tried."""

from __future__ import annotations

import pytest

from annvil.errors import RequestError
from annvil.preparation.augmentation import Augmentation, augmentation_of


def test_json_and_text_say_the_same() -> None:
    augmentation = Augmentation(flip="alternate", shift=2, rotate=10.0, flip_vertical=True)
    assert Augmentation.from_json(augmentation.to_json()) == augmentation
    assert Augmentation.parse("flip=alternate, shift=2, rotate=10, flip-vertical=yes") == augmentation
    assert augmentation.to_json() == {"flip": "alternate", "shift": 2, "rotate": 10.0, "flip_vertical": True}
    assert augmentation_of(None) == Augmentation()
    assert augmentation_of({"shift": 1}) == augmentation_of("shift=1") == Augmentation(shift=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("shift=two", r"shift must be a number of at least 0; got 'two'"),
        ("shift=1.5", r"shift is a whole number of pixels; got 1\.5"),
        ("shfit=2", r"no 'shfit'.*shift"),
        ("flip=sometimes", r"flip must be 'none' or 'random' or 'alternate'; got 'sometimes'"),
        ("rotate=181", r"rotate must be a number of at least 0 and at most 180; got 181"),
        ("crop=1", r"crop must be a number of at least 0 and below 1"),
        ("shift", r"write name=value, such as shift=2; got 'shift'"),
    ],
)
def test_what_is_refused(wrong: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Augmentation.parse(wrong)
    with pytest.raises(RequestError, match="got a int"):
        augmentation_of(3)  # type: ignore[arg-type]


def test_it_is_said_in_sentences() -> None:
    assert Augmentation().describe() == ("Training pictures are used as they are.",)
    said = " ".join(Augmentation(shift=1, cutout=0.3, colour=0.2, mixup=0.2).describe())
    for words in ("up to 1 pixel ", "mirror image", "30%", "Colour (by up to 20%) change", "mixup"):
        assert words in said, said
    assert Augmentation().short() == "none"
