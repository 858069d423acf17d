"""Callbacks are told in order, can stop a training, and cannot take away what was trained."""

import pytest

from annvil.errors import RequestError
from annvil.trainer.monitoring.callbacks import Callback, Callbacks


class Diary(Callback):
    def __init__(self):
        self.heard = []

    def on_train_begin(self, logs):
        self.heard.append(("begin", dict(logs)))

    def on_epoch_end(self, epoch, logs):
        self.heard.append((epoch, logs["loss"], self.look))

    def on_notice(self, sentence):
        self.heard.append(sentence)

    def on_train_end(self, logs):
        self.heard.append(("end", dict(logs)))


def test_a_callback_hears_of_everything_in_order_and_sees_the_networks_while_an_epoch_ends():
    diary, look = Diary(), object()
    callbacks = Callbacks([diary])
    callbacks.begin({"epochs": 2})
    assert not callbacks.epoch(1, {"loss": 0.5}, look)
    callbacks.notice("Something.")
    callbacks.end({"best_epoch": 1})
    assert diary.heard == [("begin", {"epochs": 2}), (1, 0.5, look), "Something.", ("end", {"best_epoch": 1})]
    assert diary.look is None
    callbacks.raise_failure(None)


def test_one_that_returns_true_stops_the_training_and_the_others_still_hear_of_the_epoch():
    diary = Diary()
    callbacks = Callbacks([lambda epoch, logs: logs["loss"] < 0.1, diary])
    assert not callbacks.epoch(1, {"loss": 0.5})
    assert callbacks.epoch(2, {"loss": 0.05})
    assert [heard[0] for heard in diary.heard] == [1, 2]


def test_a_function_alone_is_a_callback():
    heard = []
    callbacks = Callbacks(lambda epoch, logs: heard.append(epoch))
    callbacks.epoch(1, {})
    assert heard == [1]


def test_what_a_callback_raises_ends_the_training_and_comes_with_the_result():
    diary = Diary()

    def fails(epoch, logs):
        raise ZeroDivisionError("mine")

    callbacks = Callbacks([fails, diary])
    assert callbacks.epoch(1, {"loss": 1.0})
    callbacks.end({})
    assert diary.heard == [("end", {})]
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        callbacks.raise_failure("the result")
    assert caught.value.result == "the result"
    assert "weights of the best epoch" in caught.value.__notes__[0]


def test_one_that_fails_at_the_end_lets_the_others_end():
    class Fails(Callback):
        def on_train_end(self, logs):
            raise OSError("full")

    diary = Diary()
    callbacks = Callbacks([Fails(), diary])
    callbacks.end({})
    assert diary.heard == [("end", {})]
    with pytest.raises(OSError, match="full"):
        callbacks.raise_failure(None)


def test_other_answers_and_other_things_are_refused():
    callbacks = Callbacks(lambda epoch, logs: 3)
    callbacks.epoch(1, {})
    with pytest.raises(RequestError, match="returned 3"):
        callbacks.raise_failure(None)
    with pytest.raises(RequestError, match=r"Diary\(\) instead of Diary"):
        Callbacks([Diary])
    with pytest.raises(RequestError, match="got 7"):
        Callbacks([7])
    with pytest.raises(RequestError, match=r"must derive from annvil\.Callback"):
        Callbacks([type("Own", (), {"on_epoch_end": lambda self, epoch, logs: None})()])


def test_a_callback_of_keras_is_refused_because_the_model_has_its_weights_only_at_the_end():
    keras = pytest.importorskip("keras")
    with pytest.raises(RequestError, match=r"EarlyStopping is a callback of Keras.*patience="):
        Callbacks([keras.callbacks.EarlyStopping()])
