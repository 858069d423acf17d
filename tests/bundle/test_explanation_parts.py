"""What explains a model lies beside it, is read with suspicion, and can be put there later."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from annvil.bundle import load
from annvil.bundle.effects import Check
from annvil.bundle.explanation import (
    Background,
    Explanation,
    Feature,
    StoredTerm,
    as_feeds,
    explained_names,
    read_explanation,
    write_explanation,
)
from annvil.bundle.manifest import EXPLANATION
from annvil.bundle.storage import add_parts
from annvil.errors import BundleError
from annvil.tasks.union import make_task

FEATURES = (
    Feature(name="age", kind="number", input="numbers", place=0, low=18, high=90, spread=10.0, whole=True),
    Feature(name="city", kind="category", input="texts", place=0, levels=("Oslo", "Bergen")),
    Feature(name="income", kind="number", input="numbers", place=1),
)
GOOD = Explanation(
    features=FEATURES, background=Background(((40.0, "Oslo", 2.0), (60.0, None, None)), (0.25, 0.75), "Made by hand.")
)


def test_it_is_read_as_it_was_written_from_folders_and_zip_files(saved, example):
    assert load(saved).explanation is None
    said = load(saved).outputs(example.rows)
    add_parts(saved, {EXPLANATION: write_explanation(GOOD)})
    assert load(saved).explanation == GOOD
    added = msgspec.structs.replace(GOOD, checks=(Check("additivity", 0.0, 1e-3, True, "It adds up."),))
    add_parts(saved, {EXPLANATION: write_explanation(added)})
    again = load(saved)
    assert again.explanation == added
    np.testing.assert_array_equal(again.outputs(example.rows), said)


def test_points_enter_the_graph_as_rows_do(example):
    feeds = as_feeds(FEATURES, GOOD.background.points, example.form)
    np.testing.assert_array_equal(feeds["numbers"], [[40.0, 2.0], [60.0, np.nan]])
    assert feeds["texts"].tolist() == [["Oslo"], [""]]


LIES: dict[str, Any] = {
    "no points": {"background": Background((), ())},
    "too many points": {"background": Background(((1.0, "a", 1.0),) * 65, (1 / 65,) * 65)},
    "weights of no whole": {"background": Background(GOOD.background.points, (0.5, 0.6))},
    "a weight too few": {"background": Background(GOOD.background.points, (1.0,))},
    "a point too short": {"background": Background(((1.0, "a"),), (1.0,))},
    "a text for a number": {"background": Background((("a", "a", 1.0),), (1.0,))},
    "a number for a text": {"background": Background(((1.0, 1.0, 1.0),), (1.0,))},
    "features in another order": {"features": FEATURES[::-1]},
    "a feature too few": {"features": FEATURES[:2]},
    "a place outside": {"features": (*FEATURES[:2], msgspec.structs.replace(FEATURES[2], place=7))},
    "two at one place": {"features": (*FEATURES[:2], msgspec.structs.replace(FEATURES[2], place=0))},
    "an input that is not there": {"features": (*FEATURES[:2], msgspec.structs.replace(FEATURES[2], input="x"))},
    "terms without a base": {"terms": (StoredTerm(("age",)),)},
    "a base without terms": {"base": (1.0,)},
    "a term of nothing known": {"terms": (StoredTerm(("shoe size",)),), "base": (0.0,)},
    "a projection without weights": {"terms": (StoredTerm(("age",), ("age",)),), "base": (0.0,)},
}


@pytest.mark.parametrize("lie", LIES)
def test_what_does_not_fit_the_model_is_refused(lie, example):
    content = write_explanation(msgspec.structs.replace(GOOD, **LIES[lie]))
    with pytest.raises(BundleError, match=r"^The explanation of the saved model is refused: "):
        read_explanation(content, example.form, example.task)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"null", b"\xff", b'{"features": [], "background": 3}', b"[" * 100_000, b'{"limits": NaN}']
)
def test_what_is_none_is_refused(content, example):
    with pytest.raises(BundleError, match=r"^The explanation of the saved model is refused: "):
        read_explanation(content, example.form, example.task)


@pytest.mark.parametrize(
    ("kind", "classes", "names"),
    [
        ("binary", ("no", "yes"), ("log-odds of 'yes'",)),
        ("multiclass", ("a", "b", "c"), tuple(f"log-odds of '{c}' beside the mean of all" for c in "abc")),
        ("regression", (), ("y",)),
    ],
)
def test_what_is_explained_has_names(kind, classes, names):
    assert explained_names(make_task(kind, "y", classes)) == names
