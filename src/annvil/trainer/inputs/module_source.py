"""Where networks come from: a module, a function that makes one, or a Keras model."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from annvil.errors import RequestError, first_line
from annvil.trainer.inputs.arrays import described, input_tensors
from annvil.trainer.keras.model import from_keras, is_keras_model, write_back
from annvil.training.compat.copying import copied
from annvil.training.compat.python_values import undone
from annvil.training.loop.stack import with_own_memory
from annvil.training.loop.step_spec import widened
from annvil.training.recipe import Bytes


@dataclass(frozen=True)
class Source:
    """How networks are made.

    Attributes
    ----------
    given : what the user passed: a module, a function or class that makes one, or a Keras model
    template : a network of that shape, in training mode; it is the engine's, never the user's own object
    takes : names of settings that ``given`` accepts as arguments; None for any name (``**settings``)
    seed : with which a module's own weights are taken for its initial ones
    example : two rows of the inputs, as the network takes them; lazy modules get their shapes from them
    byte_inputs : how inputs of bytes (uint8) reach the network, see `annvil.training.Recipe`
    """

    given: Any
    template: nn.Module
    takes: frozenset[str] | None = frozenset()
    seed: int = 0
    example: tuple[Tensor, ...] = ()
    byte_inputs: Bytes = "fractions"

    @property
    def is_factory(self) -> bool:
        """Whether networks are made by calling a function or a class."""
        return not isinstance(self.given, nn.Module) and not is_keras_model(self.given)

    @property
    def original(self) -> nn.Module | None:
        """The user's own module, where it is one."""
        return unwrapped(self.given) if isinstance(self.given, nn.Module) else None

    def build(self, settings: Mapping[str, Any], seed: int) -> nn.Module:
        """A new network, whose initial weights follow from ``seed``.

        A function is called with those ``settings`` it accepts. Of a module comes a copy: with its own weights for the
        source's seed, with new ones for any other.
        """
        if self.is_factory:
            mine = {name: value for name, value in settings.items() if self.takes is None or name in self.takes}
            return make(self.given, mine, seed, self.example)
        return copied(self.template) if seed == self.seed else self._anew(seed)

    def _anew(self, seed: int) -> nn.Module:
        """A copy of a module with new initial weights, by the ``reset_parameters`` of its layers.

        Raises
        ------
        RequestError
            Where a layer with weights of its own has no ``reset_parameters``.
        """
        network = copied(self.template)
        with seeded(seed):
            for name, module in network.named_modules():
                own = [*module.parameters(recurse=False)]
                if own and not any(parameter.requires_grad for parameter in own):
                    continue  # frozen, and so wanted as it is
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
                elif hasattr(module, "_reset_parameters"):  # nn.MultiheadAttention, nn.Transformer
                    module._reset_parameters()
                elif own:
                    where = f"{name!r} ({type(module).__name__})" if name else type(module).__name__
                    raise RequestError(
                        f"Several networks of one module need new initial weights, and {where} has weights but no "
                        "reset_parameters(); pass a function that makes the network instead."
                    )
        return network

    def give_back(self, network: nn.Module) -> None:
        """Put the trained weights into the user's own module or model; a function's networks are nobody's."""
        if is_keras_model(self.given):
            write_back(self.given, network)
        elif isinstance(self.given, nn.Module):
            with_own_memory(unwrapped(self.given)).load_state_dict(network.state_dict())
            self.given.eval()


def source_of(given: Any, seed: int, X: Any, n_rows: int | None = None) -> tuple[Source, tuple[Tensor, ...], Tensor]:
    """The source of what the user passed, its inputs as tensors, and its outputs for two rows (with their graph).

    Whole numbers stay whole where the network takes them so, as embeddings do, and become float32 elsewhere.

    Raises
    ------
    RequestError, DataError
        Where it is no module, no function that makes one, and no Keras model; where it cannot take ``X``.
    """
    takes: frozenset[str] | None = frozenset()
    if is_keras_model(given):
        inputs = input_tensors(X, nn.Sequential(), "X", n_rows)  # Keras models take their inputs in order
        template: nn.Module = from_keras(given, inputs)
    else:
        if isinstance(given, nn.Module):
            template = _copied(unwrapped(given)).cpu()
        elif callable(given):
            template, takes = make(given, {}, seed), _takes(given)
        else:
            raise RequestError(
                f"The network must be a torch.nn.Module, a function that makes one, or a Keras model; got "
                f"{described(given)}."
            )
        inputs = input_tensors(X, template, "X", n_rows)
    wrong = [parameter.dtype for parameter in template.parameters() if parameter.dtype != torch.float32]
    if wrong:
        raise RequestError(
            f"{type(template).__name__} has weights of type {str(wrong[0]).removeprefix('torch.')}; the engine trains "
            "float32 weights: call its method float() first, and choose precision= for faster products."
        )
    with seeded(seed), undone(template):
        inputs, output, byte_inputs = settle(template, inputs)
        example = tuple(widened([tensor[:2] for tensor in inputs], byte_inputs))
        _materialise(template, example)
    if not any(parameter.requires_grad for parameter in template.parameters()):
        raise RequestError(f"{type(template).__name__} has no parameters that could be trained.")
    return Source(given, template.train(), takes, seed, example, byte_inputs), inputs, output


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside `torch.compile`'s and the data-parallel wrappers, which the engine does without.

    Raises
    ------
    RequestError
        For scripted modules, whose code can no longer be followed.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise RequestError("The network is a scripted module (TorchScript); pass the nn.Module that it was made from.")
    inner = getattr(module, "_orig_mod", None)  # torch.compile
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner = module.module
    return unwrapped(inner) if isinstance(inner, nn.Module) else module


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copied(module)
    except Exception as error:  # whatever the user's own attributes object with
        raise RequestError(
            f"{type(module).__name__} cannot be copied, which training needs ({first_line(error)}); pass a function "
            "that makes it instead."
        ) from error


def settle(network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor, Bytes]:
    """The inputs in the types that the network takes, its outputs for two rows of them, and how it takes bytes.

    Types are tried in this order: as they are; bytes as fractions; whole numbers as floats too.

    Raises
    ------
    RequestError
        Where it takes them in no type, with PyTorch's own reason, or returns no tensor with rows first.
    """
    tried: list[tuple[tuple[Tensor, ...], Bytes]] = [(inputs, "fractions")]
    if any(tensor.dtype == torch.uint8 for tensor in inputs):
        tried.insert(0, (inputs, "integers"))
    if any(tensor.dtype == torch.int64 for tensor in inputs):
        tried.append(
            (tuple(tensor.float() if tensor.dtype == torch.int64 else tensor for tensor in inputs), "fractions")
        )
    reasons: dict[str, Exception] = {}
    for candidate, byte_inputs in tried:
        rows = widened([tensor[:2] for tensor in candidate], byte_inputs)
        try:
            with torch.enable_grad():
                output: Any = copied(network).eval()(*rows)
        except Exception as error:  # the user's own code runs here, and may raise anything
            reasons.setdefault(byte_inputs, error)
            continue
        if not isinstance(output, Tensor) or output.dim() == 0 or len(output) != len(rows[0]):
            came = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else described(output)
            raise RequestError(
                f"{type(network).__name__} must return one tensor with a row of outputs for each of the {len(rows[0])} "
                f"rows it was called with; it returned {came}."
            )
        return candidate, output, byte_inputs
    reason = reasons["fractions"]  # PyTorch says more of floats than of bytes
    shapes = ", ".join(str(tuple(tensor[:2].shape)) for tensor in inputs)
    flat = any(tensor.dim() == 1 and tensor.is_floating_point() for tensor in inputs)
    hint = " One column of inputs is X[:, None]." if flat else ""
    raise RequestError(
        f"{type(network).__name__} cannot take inputs of shape {shapes} (two rows of X): {first_line(reason)}.{hint}"
    ) from reason


def make(
    factory: Callable[..., Any], settings: Mapping[str, Any], seed: int, example: tuple[Tensor, ...] = ()
) -> nn.Module:
    """What the factory returns; PyTorch's global generator is seeded for its duration and put back."""
    name = getattr(factory, "__name__", type(factory).__name__)
    with seeded(seed):
        try:
            network = factory(**settings)
        except TypeError as error:
            words = ", ".join(f"{name}={value!r}" for name, value in settings.items())
            raise RequestError(f"{name}({words}) cannot be called like this: {error}.") from error
        if is_keras_model(network):
            return from_keras(network, example)
        if not isinstance(network, nn.Module):
            raise RequestError(
                f"{name}() must return a torch.nn.Module or a Keras model; it returned {described(network)}."
            )
        if example:
            _materialise(network, example)
    return network.train()


def _materialise(network: nn.Module, example: tuple[Tensor, ...]) -> None:
    """Give lazy modules their weights, by showing them two rows."""
    values = (*network.parameters(), *network.buffers())
    if any(isinstance(value, UninitializedParameter | UninitializedBuffer) for value in values):
        with torch.no_grad():
            network.eval()(*example)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generators of PyTorch (on the CPU) and of Python seeded for a while, and put back.

    Keras' initialisers draw their seeds from Python's.
    """
    before, of_python = torch.get_rng_state(), random.getstate()
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)
        random.setstate(of_python)


def _takes(factory: Callable[..., Any]) -> frozenset[str] | None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # written in C: no signature to read
        return frozenset()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(parameter.name for parameter in parameters if parameter.kind in named)
