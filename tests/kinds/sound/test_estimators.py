"""The estimator for sound: scikit-learn's contract, on lists of arrays of different lengths and on paths."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from tests.kinds.sound.made import tone, write_wav

import annvil
from annvil.errors import DataError, RequestError

RATE = 4000
LITTLE = {"model": "hidden-markov", "n_folds": 2, "training_length": 0.1, "random_state": 0}


def sounds(n=40, seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(n) % 2
    made = [
        tone(random.uniform(300, 600), random.uniform(0.2, 0.3), RATE, slope=2.0 * label - 1, seed=100 * seed + k)
        for k, label in enumerate(y)
    ]
    return made, np.where(y == 1, "up", "down")


@pytest.fixture(scope="module")
def fitted():
    X, y = sounds()
    return annvil.SoundClassifier(**LITTLE).fit(X, y, rate=RATE, groups=np.arange(40) // 2 % 5)


def test_tones_are_told_apart(fitted):
    X, y = sounds(seed=1)
    assert fitted.classes_.tolist() == ["down", "up"]
    assert fitted.form_.rate == RATE
    assert fitted.predict_proba(X).sum(axis=1) == pytest.approx(1)
    assert fitted.score(X, y) > 0.85


def test_paths_are_read_at_their_own_rate(fitted, tmp_path):
    X, _ = sounds(4, seed=2)
    paths = []
    for place, sound in enumerate(X):
        write_wav(tmp_path / f"{place}.wav", np.repeat(sound, 2), 2 * RATE)  # a rough change of rate
        paths.append(str(tmp_path / f"{place}.wav"))
    assert (fitted.predict(paths) == fitted.predict(X)).all()
    reader = annvil.SoundClassifier(**LITTLE).fit(paths * 5, ["down", "up"] * 10)
    assert reader.form_.rate == 2 * RATE
    (tmp_path / "2.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"2\.wav is no sound .*: leave it out, and its answer"):
        fitted.predict(paths)
    with pytest.raises(DataError, match="There is no file"):
        fitted.predict([*paths[:2], "nowhere.wav"])


def test_clone_pickle_and_repeats_give_the_same(fitted):
    X, y = sounds()
    again = clone(fitted).fit(X, y, rate=RATE, groups=np.arange(40) // 2 % 5)
    kept = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X[:6]), fitted.predict_proba(X[:6]))
    np.testing.assert_array_equal(kept.predict_proba(X[:6]), fitted.predict_proba(X[:6]))


def test_it_is_validated_across_rows():
    X, y = sounds(24)
    assert cross_val_score(annvil.SoundClassifier(**LITTLE, rate=RATE), X, y, cv=2).mean() > 0.7


def test_a_clip_without_weight_is_left_out():
    X, y = sounds(24)
    weights = np.ones(24)
    weights[:4] = 0
    one = annvil.SoundClassifier(**LITTLE, rate=RATE).fit(X, y, weights)
    other = annvil.SoundClassifier(**LITTLE, rate=RATE).fit(X[4:], y[4:])
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "hidden-markow"}, r"model must be one of .*Did you mean 'hidden-markov'"),
        ({"n_folds": 1}, "n_folds must be a whole number of at least 2"),
        ({"training_length": 0}, "training_length must be above 0"),
    ],
)
def test_arguments_that_cannot_be_are_told(changed, said):
    X, y = sounds(4)
    with pytest.raises(RequestError, match=said):
        annvil.SoundClassifier(**LITTLE | changed, rate=RATE).fit(X, y)


def test_what_lacks_is_told():
    X, y = sounds(4)
    with pytest.raises(DataError, match="pass rate=16000"):
        annvil.SoundClassifier(**LITTLE).fit(X, y)
    with pytest.raises(RequestError, match="at least 2 classes"):
        annvil.SoundClassifier(**LITTLE, rate=RATE).fit(X, ["up"] * 4)
    with pytest.raises(NotFittedError):
        annvil.SoundClassifier().predict(X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        annvil.SoundClassifier(**LITTLE, rate=RATE).fit(X, y[:3])
    with pytest.raises(RequestError, match="takes a folder"):
        annvil.SoundClassifier().fit("clips/", y)
