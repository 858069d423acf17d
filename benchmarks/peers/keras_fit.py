"""Keras' own ``fit``, on the backend that this process was started with.

The compiled model is kept from one measurement to the next, so that only the first of them compiles.
"""

from __future__ import annotations

from typing import Any

from peers.clock import Epochs
from peers.works import Work, keras_data, keras_network

_kept: dict[Work, Any] = {}


def fit(work: Work, epochs: int, threads: int) -> Epochs:
    """``compile`` with AdamW and ``fit`` with everything at its default. JAX got its threads when it started."""
    import keras
    from keras.losses import SparseCategoricalCrossentropy

    numbers, classes = keras_data(work)
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
    clock = Epochs(work.rows)
    if work not in _kept:
        _kept[work] = keras_network(work)
        _kept[work].compile(optimizer="adamw", loss=SparseCategoricalCrossentropy(from_logits=True))
    ended = keras.callbacks.LambdaCallback(on_epoch_end=clock.mark)
    _kept[work].fit(numbers, classes, batch_size=work.batch, epochs=epochs, verbose=0, callbacks=[ended])
    return clock
