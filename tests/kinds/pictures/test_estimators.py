"""The estimators for pictures: scikit-learn's contract on arrays of three and four axes."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.estimators import ImageClassifier, ImageRegressor

LITTLE = {"network": "small", "max_epochs": 4, "random_state": 0}
BOTH = [ImageClassifier, ImageRegressor]

every_estimator = pytest.mark.parametrize("kind", BOTH)


@pytest.fixture(scope="module")
def digits():
    """Digits of 8 × 8 pixels as bytes, and what they are."""
    bunch = load_digits()
    return np.rint(bunch.images * 255 / 16).astype(np.uint8), bunch.target


@pytest.fixture(scope="module")
def reader(digits):
    """A classifier that learnt from 600 digits."""
    X, y = digits
    return ImageClassifier(**LITTLE).fit(X[:600], np.array([f"digit {c}" for c in y[:600]]))


def test_digits_are_read(reader, digits):
    X, y = digits
    assert reader.classes_.tolist() == [f"digit {c}" for c in range(10)]
    found = reader.predict_proba(X[600:])
    assert found.shape == (len(X) - 600, 10)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert (reader.predict(X[600:]) == reader.classes_[found.argmax(axis=1)]).all()
    assert reader.score(X[600:], [f"digit {c}" for c in y[600:]]) > 0.9


def test_numbers_are_learnt(digits):
    """How far right the middle of the ink lies: a line through all pixels is the yardstick."""
    X, _ = digits
    across = (X.sum(axis=1) * np.arange(8)).sum(axis=1) / X.sum(axis=(1, 2))
    found = ImageRegressor(**LITTLE | {"max_epochs": 12}).fit(X[:800], across[:800]).score(X[800:], across[800:])
    line = LinearRegression().fit(X[:800].reshape(800, -1), across[:800])
    assert found > 0.9
    assert line.score(X[800:].reshape(-1, 64), across[800:]) > 0.9


@every_estimator
def test_clone_and_fit_give_equal_bytes(kind, digits):
    X, y = digits[0][:150], digits[1][:150]
    one = kind(**LITTLE | {"max_epochs": 2}).fit(X, y)
    other = clone(one)
    assert not hasattr(other, "fitted_")
    assert other.get_params() == one.get_params()
    np.testing.assert_array_equal(other.fit(X, y).predict(X), one.predict(X))
    assert one.fitted_.out_of_fold.tobytes() == other.fitted_.out_of_fold.tobytes()
    different = clone(one).set_params(random_state=1).fit(X, y)
    assert one.fitted_.out_of_fold.tobytes() != different.fitted_.out_of_fold.tobytes()


def test_a_pickled_estimator_predicts_the_same(reader, digits):
    X = digits[0][:200]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).predict_proba(X), reader.predict_proba(X))


def test_cross_validation_and_grids(digits):
    X, y = digits[0][:240], digits[1][:240]
    scores = cross_val_score(ImageClassifier("small", max_epochs=8, random_state=0), X, y, cv=2)
    assert scores.shape == (2,)
    assert scores.min() > 0.5
    grid = GridSearchCV(ImageClassifier(**LITTLE), {"max_epochs": [1, 8]}, cv=2).fit(X, y)
    assert grid.best_params_ == {"max_epochs": 8}


def test_a_pipeline_hands_over_pictures_and_rows_of_values(digits):
    X, y = digits[0][:300], digits[1][:300]
    turned = make_pipeline(FunctionTransformer(lambda X: X[:, ::-1]), ImageClassifier(**LITTLE)).fit(X, y)
    assert turned.score(X, y) > 0.9
    rows = X.reshape(300, 64).astype(float)
    flat = make_pipeline(StandardScaler(), ImageClassifier(**LITTLE, image_shape=(8, 8))).fit(rows, y)
    assert flat.score(rows, y) > 0.9


def test_a_frame_of_values_keeps_its_names(digits):
    X, y = digits[0][:200], digits[1][:200]
    frame = pd.DataFrame(X.reshape(200, 64), columns=[f"pixel {i}" for i in range(64)])
    little = LITTLE | {"max_epochs": 1}
    fitted = ImageClassifier(**little, image_shape=(8, 8)).fit(frame, y)
    assert fitted.feature_names_in_[63] == "pixel 63"
    assert fitted.n_features_in_ == 64
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame.rename(columns={"pixel 0": "first"}))
    bytes_alone = ImageClassifier(**little).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(frame), bytes_alone.predict(X))


def test_other_types_have_the_range_of_the_training_pictures(digits):
    X, y = digits[0][:120], digits[1][:120]
    as_bytes = ImageClassifier(**LITTLE | {"max_epochs": 1}).fit(X, y)
    for made in (X / 255, X.astype(np.int64), X[..., None], (X / 255).astype(np.float32)):
        np.testing.assert_allclose(
            clone(as_bytes).fit(made, y).predict_proba(made), as_bytes.predict_proba(X), atol=1e-12
        )
    dark = clone(as_bytes).fit(X / 255, y)
    np.testing.assert_allclose(dark.predict_proba(X[:9] / 255), dark.predict_proba(X / 255)[:9], atol=1e-5)


def test_pictures_of_another_size_are_scaled(reader, digits):
    X, y = digits
    doubled = X[600:].repeat(2, axis=1).repeat(2, axis=2)
    assert reader.score(doubled, [f"digit {c}" for c in y[600:]]) > 0.9
    large = ImageClassifier(**LITTLE | {"max_epochs": 1}, size=8).fit(doubled[:100], y[600:700])
    assert large.form_.shape == (8, 8, 1)
    assert "scaled to 8 × 8" in large.notices_[0]


@every_estimator
def test_before_fitting_there_is_nothing_to_predict(kind, digits):
    with pytest.raises(NotFittedError):
        kind().predict(digits[0])


X, Y = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8), np.tile([0, 1], 10)


@pytest.mark.parametrize(
    ("X", "y", "arguments", "error", "message"),
    [
        (X, np.zeros(20), {}, RequestError, "needs at least 2 classes; y has 1 class, 0.0"),
        (X[:9], Y[:9], {}, DataError, "needs at least 10 samples .* got 9 samples"),
        (X, Y[:10], {}, ValueError, "inconsistent numbers of samples"),
        (X.reshape(20, 64), Y, {}, DataError, r"got an array 20 × 64\. .* image_shape=\(height, width\)"),
        (X.reshape(20, 64), Y, {"image_shape": (7, 9)}, DataError, "has 63 values; the rows of X have 64"),
        (X[:, :, :, None].repeat(2, axis=3), Y, {}, DataError, "1, 3 or 4 channels"),
        (np.where(X > 250, np.nan, X / 255), Y, {}, ValueError, "contains NaN"),
        (["a.png"] * 20, Y, {}, RequestError, "not paths"),
        ([["a", "b"]], [1], {}, DataError, "got an array 1 × 2"),
        (X[:, :3, :3], Y, {}, RequestError, "smaller than 4 × 4"),
        (X, Y, {"network": "huge"}, RequestError, "'small', 'medium', 'deep', 'wide'; got 'huge'"),
        (X, Y, {"max_epochs": 0}, RequestError, "whole number of at least 1; got 0"),
        (X, Y, {"time_budget": -1.0}, RequestError, r"must be seconds; got -1\.0"),
        (X, Y + 0.5, {}, ValueError, "continuous"),
    ],
)
def test_what_cannot_be_learnt_is_said(X, y, arguments, error, message):
    with pytest.raises(error, match=message):
        ImageClassifier(**arguments).fit(X, y)


def test_gaps_are_refused_when_predicting_too(reader):
    with pytest.raises(ValueError, match="contains NaN"):
        reader.predict(np.full((1, 8, 8), np.nan))
    with pytest.raises(ValueError, match="contains NaN"):
        ImageRegressor().fit(X, np.full(20, np.nan))


def test_the_plan_is_for_a_minute_or_the_time_given():
    fitted = ImageRegressor("small", time_budget=2.0, random_state=0).fit(X, Y)
    assert fitted.fitted_.configuration["size"] == "small"
    assert fitted.fitted_.configuration["epochs"] > 60  # twenty pictures are passed over often


def test_several_labels_at_once():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 120, (160, 12, 12), dtype=np.uint8)
    y = (rng.random((160, 2)) < 0.4).astype(int)
    X[y[:, 0] == 1, 2:5, 2:5] = 240
    X[y[:, 1] == 1, 8:10] = 240
    network = ImageClassifier("small", max_epochs=12, random_state=0).fit(X[:120], y[:120])
    probabilities = network.predict_proba(X[120:])
    assert probabilities.shape == (40, 2)
    np.testing.assert_array_equal(network.predict(X[120:]), probabilities >= 0.5)
    assert (network.predict(X[120:]) == y[120:]).mean() > 0.85


def weighted_answers(way, digits):
    """Digits most of whose answers are lies: the estimator, pictures, answers, truth, lies."""
    X, codes = digits[0][:240], digits[1][:240] % 2
    lies = np.random.default_rng(0).random(240) < 0.6
    told = np.where(lies, 1 - codes, codes)
    if way == "labels":
        return ImageClassifier, X, np.column_stack([told, 1 - told]), np.column_stack([codes, 1 - codes]), lies
    if way == "number":
        return ImageRegressor, X, told.astype(float), codes.astype(float), lies
    return ImageClassifier, X, told, codes, lies


@pytest.mark.parametrize("way", ["classes", "labels", "number"])
def test_sample_weights_count(way, digits):
    kind, X, y, truth, lies = weighted_answers(way, digits)

    def fitted(rows=slice(None), seen=X, **more):
        return kind(**LITTLE | {"max_epochs": 6}).fit(seen[rows], y[rows], **more)

    def right(model):
        return np.mean((model.predict(X) > 0.5) == truth)

    weights = np.where(lies, 0.01, 1.0)
    plain, light = fitted(), fitted(sample_weight=weights)
    assert right(light) > 0.8 > 0.5 > right(plain)


def test_weights_of_nought_leave_out_and_equal_ones_change_nothing(digits):
    _, X, y, _, lies = weighted_answers("classes", digits)
    bright = np.where(lies[:, None, None], X * 2.0, X / 1.0)  # what counts for nothing does not decide the range

    def fitted(rows=slice(None), **more):
        model = ImageClassifier(**LITTLE | {"max_epochs": 1}).fit(bright[rows], y[rows], **more)
        return model.fitted_.out_of_fold.tobytes()

    assert fitted(sample_weight=np.where(lies, 0.0, 3.0)) == fitted(~lies)
    assert fitted(sample_weight=np.full(240, 2.0)) == fitted() != fitted(~lies)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.zeros(20), ValueError, "at least one non-zero"),
        (-np.ones(20), ValueError, "Negative values"),
        (np.full(20, np.nan), ValueError, "contains NaN"),
        (np.ones(19), ValueError, r"sample_weight.shape == \(19,\)"),
        (np.repeat([0, 1], [11, 9]), DataError, "got 9 samples of a weight above 0"),
        (np.tile([0, 1], 10), RequestError, "needs at least 2 classes; y has 1 class"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, error, message):
    with pytest.raises(error, match=message):
        ImageClassifier(**LITTLE).fit(X, Y, sample_weight=weights)
