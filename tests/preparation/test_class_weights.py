from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from annvil.preparation import class_weights, is_imbalanced
from annvil.tasks.union import make_task


def test_weights_are_scikit_learns_balanced_ones():
    y = np.array([0] * 70 + [1] * 25 + [2] * 5)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_allclose(class_weights(y, 3), expected)
    assert class_weights(y, 3)[y].mean() == pytest.approx(1.0)


def test_an_absent_class_weighs_one_and_changes_nothing_for_the_others():
    y = np.array([0] * 6 + [2] * 2)
    np.testing.assert_allclose(class_weights(y, 4), [8 / 12, 1.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("counts", "imbalanced"),
    [((40, 10), False), ((41, 10), True), ((10, 41), True), ((50, 40, 12), True), ((5, 0, 5), False), ((7,), False)],
)
def test_imbalanced_means_fewer_than_one_to_four(counts, imbalanced):
    y = np.repeat(np.arange(len(counts)), counts)
    assert is_imbalanced(y, make_task("multiclass", "y", range(len(counts)))) is imbalanced
