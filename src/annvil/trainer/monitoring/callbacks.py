"""Who is told of a training while it goes on: callbacks, and the listener that calls them.

The protocol is three methods with the names that Keras gave them. A callback that fails does not lose what was trained:
training stops, the result is made and the weights are handed over as if it had been asked to stop, and only then is the
exception raised, with the result as its attribute ``result``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annvil.errors import RequestError
from annvil.training.recipe import Look

Logs = Mapping[str, Any]
"""By name what a history holds for one epoch: "loss", "val_loss", metrics, "learning_rate"; of one network floats."""


class Callback:
    """Something that is told of a training. Override what you need; a plain ``function(epoch, logs)`` will do as well.

    ``look`` shows the networks as they are after the epoch (`annvil.training.recipe.Look`: ``network(k)``,
    ``gradients(k)``, ``predict(inputs)``); it is there during `on_epoch_end` only.
    """

    look: Look | None = None

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch; ``logs`` are the settings."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool | None:
        """After every epoch, the first being number 1. Returning True ends the training."""

    def on_notice(self, sentence: str) -> None:
        """When there is something a person should hear."""

    def on_train_end(self, logs: Logs) -> None:
        """When training is over; ``logs`` are the result's facts, such as "best_epoch" and "state"."""


class _Function(Callback):
    def __init__(self, function: Callable[[int, Logs], Any]) -> None:
        self._function = function

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool | None:
        answer = self._function(epoch, logs)
        if answer is not None and not isinstance(answer, bool):
            name = getattr(self._function, "__name__", type(self._function).__name__)
            raise RequestError(
                f"A callback returns True to end the training, False or nothing to go on; {name}() returned {answer!r}."
            )
        return answer


class Callbacks:
    """All callbacks of one training as one.

    ``failure`` is the exception that ended it, if one did; `raise_failure` raises it when the result is safe.
    """

    def __init__(self, callbacks: object = ()) -> None:
        given = list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
        self._callbacks = [_callback(one) for one in given]
        self.failure: Exception | None = None

    def begin(self, logs: Logs) -> None:
        """Tell all that training begins; what fails here is raised here, since nothing could be lost."""
        for callback in self._callbacks:
            callback.on_train_begin(logs)

    def epoch(self, epoch: int, logs: Logs, look: Look | None = None) -> bool:
        """Tell all that an epoch is over; whether one of them wants to stop, or failed."""
        stop = False
        for callback in self._callbacks:
            callback.look = look
            try:
                stop = bool(callback.on_epoch_end(epoch, logs)) or stop
            except Exception as error:  # the user's own code, which may raise anything
                self.failure = self.failure or error
                return True
            finally:
                callback.look = None
        return stop

    def notice(self, sentence: str) -> None:
        """Pass a notice on."""
        self._each(lambda callback: callback.on_notice(sentence))

    def end(self, logs: Logs) -> None:
        """Tell all that training is over, those too that come after one that fails."""
        self._each(lambda callback: callback.on_train_end(logs))

    def raise_failure(self, result: object) -> None:
        """Raise what ended the training, with what was trained as its attribute ``result``."""
        if self.failure is None:
            return
        self.failure.result = result  # type: ignore[attr-defined]
        self.failure.add_note(
            "annvil.train: a callback raised this. Training ended there; the weights of the best epoch are in the "
            "network that was passed, and the result is this exception's attribute `result`."
        )
        raise self.failure

    def _each(self, tell: Callable[[Callback], None]) -> None:
        for callback in self._callbacks:
            try:
                tell(callback)
            except Exception as error:  # the user's own code, which may raise anything
                self.failure = self.failure or error


def _callback(given: Any) -> Callback:
    if isinstance(given, Callback):
        return given
    if any(kind.__module__.startswith("keras.") for kind in type(given).__mro__):
        raise RequestError(
            f"{type(given).__name__} is a callback of Keras, which reads the model while it trains; the model gets its "
            "weights at the end. Use patience=, checkpoint=, tensorboard=, or a function(epoch, logs)."
        )
    if isinstance(given, type):
        raise RequestError(f"callbacks takes objects, not classes: {given.__name__}() instead of {given.__name__}.")
    if hasattr(given, "on_epoch_end"):
        raise RequestError(f"{type(given).__name__} must derive from annvil.Callback.")
    if callable(given):
        return _Function(given)
    raise RequestError(f"A callback is a function(epoch, logs) or an annvil.Callback; got {given!r}.")
