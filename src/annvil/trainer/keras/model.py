"""Keras 3 models on the torch backend as networks of the engine, and their weights back into the model.

The engine knows `torch.nn.Module`s. `from_keras` gives it one that holds its own copy of the model's variables and runs
the model's own code on them (`keras.Model.stateless_call`), so that many copies can be trained at once and the model is
not touched before `write_back`. Keras is imported nowhere: a model that exists has imported it.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.networks import Dropout
from annvil.trainer.keras.checks import build, check_backend, check_trainable, written_by_keras
from annvil.trainer.keras.private import decays, inner_layers, noise_shape, takes_training


def is_keras_model(thing: object) -> bool:
    """Whether ``thing`` is a Keras model; False without Keras, which is not imported to find out."""
    keras = sys.modules.get("keras")
    kind = getattr(keras, "Model", None)
    return isinstance(kind, type) and isinstance(thing, kind)


def from_keras(model: Any, inputs: tuple[Tensor, ...] = ()) -> KerasNetwork:
    """An `nn.Module` that computes what the model computes, with parameters and buffers of its own.

    Parameters
    ----------
    model : a Sequential, functional or subclassed Keras model on the torch backend, with one output
    inputs : a few rows of its inputs, to build a model that has no weights yet (they follow from the inputs' shape)

    Raises
    ------
    RequestError
        When the model runs on another backend, cannot be built, or is trained in a way the engine cannot repeat.
    """
    check_backend(model)
    build(model, inputs)
    check_trainable(model)
    return KerasNetwork(model)


def write_back(model: Any, network: nn.Module) -> None:
    """Copy the weights of ``network`` (from `from_keras`) into the model: trained ones and statistics of batch norm."""
    if not isinstance(network, KerasNetwork):
        raise RequestError(f"write_back needs a network made by from_keras; got a {type(network).__name__}.")
    variables = (*model.trainable_variables, *model.non_trainable_variables)
    with torch.no_grad():
        for variable, value in zip(variables, (*network.trained, *network.kept), strict=True):
            variable.value.copy_(value)


class KerasNetwork(nn.Module):
    """The network that `from_keras` makes.

    Shape: the model's inputs, one tensor each, rows first → the model's output ``(batch, …)``.

    Where the model has losses of its own (regularisers, ``add_loss``), their sum goes with the output as its attribute
    ``penalty``, a scalar, as Keras lets masks go with tensors; `annvil.trainer.keras.compile` adds it to the loss.

    ``trained`` and ``kept`` are its weights in the order of the model's trainable and non-trainable variables.
    `keras.layers.Dropout` and its relatives draw from `annvil.networks.Dropout`, whose noise the engine can repeat;
    other noise is Keras' own.
    """

    model: Any
    _dropouts: list[Any]

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.__dict__["model"] = model  # not registered: its variables are not this network's
        variables = (*model.trainable_variables, *model.non_trainable_variables)
        # By number: Keras names the layers of every model anew, and all networks of a population need the same names.
        names = [f"{number}/{str(variable.name).replace('.', '_')}" for number, variable in enumerate(variables)]
        n_trained = len(model.trainable_variables)
        self._trained, self._kept = names[:n_trained], names[n_trained:]
        self._hold([variable.value for variable in variables])
        dropouts = [layer for layer in inner_layers(model) if _is_dropout(layer)]
        self.__dict__["_dropouts"] = dropouts
        self.noise = nn.ModuleList([Dropout(layer.rate) for layer in dropouts])

    def _hold(self, values: Sequence[Tensor]) -> None:
        """Copies of the values as its own parameters and buffers."""
        for name, value in zip((*self._trained, *self._kept), values, strict=True):
            copy = value.detach().clone()
            if name in self._kept:
                self.register_buffer(name, copy)
            else:
                self.register_parameter(name, nn.Parameter(copy))

    @property
    def trained(self) -> list[Tensor]:
        """The parameters, in the order of the model's trainable variables."""
        return [getattr(self, name) for name in self._trained]

    @property
    def kept(self) -> list[Tensor]:
        """The buffers, in the order of the model's non-trainable variables."""
        return [getattr(self, name) for name in self._kept]

    def parameter_groups(self) -> dict[str, tuple[float, float]]:
        """(rate, decay) of each parameter: Keras' optimizers decay all variables but those they were told to spare."""
        optimizer: Any = getattr(self.model, "optimizer", None)
        if getattr(optimizer, "weight_decay", None) is None:
            return {}
        pairs = zip(self._trained, self.model.trainable_variables, strict=True)
        return {name: (1.0, float(decays(optimizer, variable))) for name, variable in pairs}

    def forward(self, *inputs: Tensor) -> Tensor:
        arguments = inputs[0] if len(inputs) == 1 else list(inputs)
        mode = {"training": self.training} if takes_training(self.model) else {}
        variables = (*self.model.trainable_variables, *self.model.non_trainable_variables)
        values = list(zip(variables, (*self.trained, *self.kept), strict=True))
        with self._own_noise(), _plain_errors(), _assigning(values, self.training):
            output, _, penalties = self.model.stateless_call(
                self.trained, self.kept, arguments, return_losses=True, **mode
            )
        if penalties:
            output.penalty = sum(value.sum() for value in penalties)
        return output  # type: ignore[no-any-return]

    @contextmanager
    def _own_noise(self) -> Iterator[None]:
        """Let the model's dropout layers draw from ``self.noise``."""
        if not (self.training and self._dropouts):
            yield
            return
        pairs = zip(self._dropouts, self.noise, strict=True)
        with replaced_calls({id(layer): _drop(layer, noise) for layer, noise in pairs}, self._dropouts):
            yield

    def owners(self) -> list[tuple[Any, list[str]]]:
        """Each layer of the model, inner ones too, with the names of the parameters that are its own.

        What a recurrent layer's cell holds is the layer's, which may compute it without calling the cell.
        """
        recurrent = sys.modules["keras"].layers.RNN
        names = dict(zip(map(id, self.model.trainable_variables), self._trained, strict=True))
        found = []
        for layer in inner_layers(self.model):
            inner = [] if isinstance(layer, recurrent) else inner_layers(layer)
            held = {id(variable) for other in inner for variable in other.trainable_variables}
            own = [id(variable) for variable in layer.trainable_variables if id(variable) not in held]
            found.append((layer, [names.pop(variable) for variable in own if variable in names]))
        return found

    def reset_parameters(self) -> None:
        """New initial weights, by the initialisers of the model's layers; they follow from PyTorch's global generator.

        Raises
        ------
        RequestError
            For a subclassed model that Keras cannot make anew, because it has no ``get_config``.
        """
        keras = sys.modules["keras"]
        before = random.getstate()  # where initialisers without a seed take theirs from
        random.seed(int(torch.randint(1 << 62, ()).item()))
        try:
            fresh = keras.models.clone_model(self.model)
            if len(fresh.variables) != len(self.model.variables):
                raise NotImplementedError("the copy has not been built")
        except (NotImplementedError, TypeError, ValueError) as error:
            raise RequestError(
                f"Keras cannot make {type(self.model).__name__} anew with other initial weights; pass a function that "
                "makes the model instead of the model."
            ) from error
        finally:
            random.setstate(before)
        new = (*fresh.trainable_variables, *fresh.non_trainable_variables)
        with torch.no_grad():
            for mine, variable in zip((*self.trained, *self.kept), new, strict=True):
                mine.copy_(variable.value)

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasNetwork:
        """A network with weights of its own over the same model, whose code is all that is used."""
        copy = KerasNetwork.__new__(KerasNetwork)
        nn.Module.__init__(copy)
        copy.__dict__.update({name: self.__dict__[name] for name in ("model", "_dropouts", "_trained", "_kept")})
        copy._hold((*self.trained, *self.kept))
        copy.noise = nn.ModuleList([Dropout(float(noise.get_buffer("rate"))) for noise in self.noise])
        copy.noise.load_state_dict(self.noise.state_dict())
        return copy.train(self.training)

    def extra_repr(self) -> str:
        return f"Keras model {self.model.name!r}"


@contextmanager
def _assigning(values: Sequence[tuple[Any, Tensor]], training: bool) -> Iterator[None]:
    """While it lasts, ``variable.assign`` writes into the network's own value, as Keras writes into the variable's.

    `keras.Model.stateless_call` alone would keep what is assigned to weights to itself, and let gradients flow back
    through what is assigned to others, to what it was computed from. Only training changes anything for good.
    """
    own = {id(variable): value for variable, value in values}
    scope = sys.modules["keras"].StatelessScope
    usual = scope.add_update

    def add_update(this: Any, update: tuple[Any, Any]) -> None:
        variable, new = update
        value = own.get(id(variable))
        if value is None or not training:
            usual(this, (variable, new.detach() if isinstance(new, Tensor) else new))
            return
        with torch.no_grad():
            value.copy_(new)

    with _CALLS:
        scope.add_update = add_update
        try:
            yield
        finally:
            scope.add_update = usual


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Errors as they were raised, without the arguments of each layer that Keras adds to their sentences."""
    config = sys.modules["keras"].config
    asked = config.is_traceback_filtering_enabled()
    config.disable_traceback_filtering()
    try:
        yield
    finally:
        if asked:
            config.enable_traceback_filtering()


_CALLS = threading.RLock()


@contextmanager
def replaced_calls(calls: dict[int, Callable[..., Any]], layers: list[Any]) -> Iterator[None]:
    """While it lasts, each layer computes what ``calls[id(layer)]`` says; one thread at a time.

    The attribute hides the method of the layer's class and goes again, so the user's layers stay as they were.
    """
    with _CALLS:
        for layer in layers:
            layer.__dict__["call"] = calls[id(layer)]
        try:
            yield
        finally:
            for layer in layers:
                del layer.__dict__["call"]


def _drop(layer: Any, noise: nn.Module) -> Callable[..., Tensor]:
    """What a dropout layer computes, with noise of ``noise``."""
    drawn = noise_shape(layer)

    def call(inputs: Tensor, training: bool = False) -> Tensor:
        if not training:
            return inputs
        shape = drawn(inputs)
        if shape is None:
            return noise(inputs)  # type: ignore[no-any-return]
        whole = [size if asked is None else int(asked) for asked, size in zip(shape, inputs.shape, strict=True)]
        return inputs * noise(torch.ones(whole, dtype=inputs.dtype, device=inputs.device))  # type: ignore[no-any-return]

    return call


def _is_dropout(layer: Any) -> bool:
    """Whether the layer is Keras' Dropout or SpatialDropout, as Keras wrote it, and drops something but not all."""
    kind = sys.modules["keras"].layers.Dropout
    return isinstance(layer, kind) and written_by_keras(type(layer), "call") and 0 < layer.rate < 1
