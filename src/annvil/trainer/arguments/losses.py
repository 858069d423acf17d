"""What is minimised: a loss by name, one of PyTorch's, or the user's own, as the engine takes it.

The engine has the common losses by name, computed from logits or numbers. Here are those that it has not: of networks
that end in softmax or sigmoid, of probabilities as targets, of counts. They are functions ``(outputs, targets)`` that
give one number a row, so that rows may have weights.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from annvil.errors import RequestError, did_you_mean
from annvil.trainer.inputs.targets import IGNORED, Ending, Family, Target
from annvil.training.losses.resolve import CustomLoss

SMALLEST = 1e-7  # a network's own probabilities are kept this far from 0 before their logarithm (as Keras does)

_NAMES: dict[str, tuple[Family, tuple[str, ...]]] = {
    "cross-entropy": ("classes", ("crossentropy", "ce", "categorical-crossentropy", "sparse-categorical-crossentropy",
                                  "softmax-cross-entropy", "log-loss", "nll")),
    "binary-cross-entropy": ("binary", ("bce", "binary-crossentropy", "bce-with-logits", "logistic")),
    "squared-error": ("numbers", ("mse", "mean-squared-error", "l2", "squared")),
    "absolute-error": ("numbers", ("mae", "mean-absolute-error", "l1")),
    "huber": ("numbers", ("smooth-l1",)),
    "poisson": ("numbers", ("poisson-nll",)),
}  # fmt: skip
"""Names with the targets they take, and what else they are called elsewhere."""


@dataclass(frozen=True)
class ChosenLoss:
    """A loss.

    Attributes
    ----------
    name : for people, such as "cross-entropy" or the name of the user's function
    engine : as `train_population` takes it
    smooths : whether ``label_smoothing`` applies
    ignored : a class number that stands for no class, if the loss knows one
    """

    name: str
    engine: str | CustomLoss
    smooths: bool = False
    ignored: int | None = None


def canonical(loss: Any) -> str | Callable[..., Any]:
    """The loss by its one name, or the function as it is; "auto" stays.

    Raises
    ------
    RequestError
        Where no loss is called so.
    """
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        loss = loss()
    if callable(loss):
        function: Callable[..., Any] = loss
        return function
    if not isinstance(loss, str):
        raise RequestError(f"loss must be a name or a function (outputs, targets) -> loss; got {loss!r}.")
    key = loss.strip().lower().replace("_", "-").replace(" ", "-")
    for name, (_, others) in _NAMES.items():
        if key == name or key in others:
            return name
    if key == "auto":
        return key
    known = ["auto", *_NAMES]
    raise RequestError(f"No loss is called {loss!r}.{did_you_mean(key, known)} Choose from {', '.join(known)}.")


def family_of(loss: str | Callable[..., Any]) -> Family:
    """The targets that a loss takes."""
    if callable(loss):
        return "as given"
    return "auto" if loss == "auto" else _NAMES[loss][0]


def choose(loss: str | Callable[..., Any], target: Target) -> tuple[ChosenLoss, list[str]]:
    """The loss (from `canonical`) for that target (from `decide`), and what is to be said about it."""
    if callable(loss):
        name = str(getattr(loss, "__name__", type(loss).__name__))
        # A mean over positions leaves out those that have no class, and only the function itself knows which.
        by_row = None if target.kind == "positions" else _by_row(loss)
        ignored = None if by_row is None else _ignored(loss)
        return ChosenLoss(name, by_row or loss, ignored=ignored), _doubled(loss, name, target.ending)
    if loss == "auto":
        named = {"numbers": "squared-error", "classes": "cross-entropy", "positions": "cross-entropy"}
        chosen, notices = choose(named.get(target.kind, "binary-cross-entropy"), target)
        return chosen, [f"Loss: {chosen.name}, because {target.why}.", *notices]
    positions = IGNORED if target.kind == "positions" else None
    if loss not in ("cross-entropy", "binary-cross-entropy"):
        return ChosenLoss(loss, poisson if loss == "poisson" else loss, ignored=positions), []
    ends_in_shares = target.ending in ("softmax", "sigmoid")
    name = "binary-cross-entropy" if target.kind == "binary" else loss
    engine: str | CustomLoss = name
    if name == "binary-cross-entropy":
        engine = binary_of_probabilities if target.ending else name
    elif target.matrix:
        engine = partial(cross_entropy_of_shares, target.ending)
    elif ends_in_shares:
        engine = partial(cross_entropy_of_probabilities, target.ending)
    notices = []
    if ends_in_shares:
        why = "without that last layer it is computed from logits, more exactly, and learning is often faster"
        said = f"The network ends in {target.ending.capitalize()}, so {name} takes its outputs for probabilities"
        notices.append(f"{said}; {why}.")
    return ChosenLoss(name, engine, smooths=engine == name, ignored=positions), notices


def _doubled(function: Callable[..., Any], name: str, ending: Ending) -> list[str]:
    """A warning where logits are expected and probabilities come: it still trains, but badly."""
    softmax = isinstance(function, nn.CrossEntropyLoss) or function is functional.cross_entropy
    sigmoid = isinstance(function, nn.BCEWithLogitsLoss) or function is functional.binary_cross_entropy_with_logits
    if (softmax and ending in ("softmax", "sigmoid")) or (sigmoid and ending == "sigmoid"):
        said = f"{name} expects logits, but the network ends in {ending.capitalize()}, so that is applied twice"
        return [f'{said} and learning is slow; take the last layer away, or use loss="auto".']
    return []


def _by_row(function: Callable[..., Any]) -> Callable[[Tensor, Tensor], Tensor] | None:
    """One of PyTorch's losses that takes a plain mean, without the mean, so that rows may have weights; else None."""
    if isinstance(function, nn.Module):
        plain = getattr(function, "weight", None) is None
        if getattr(function, "reduction", None) == "mean" and plain and type(function).__module__.startswith("torch."):
            changed = copy.deepcopy(function)
            changed.reduction = "none"  # type: ignore[assignment]
            return changed
        return None
    if getattr(function, "__module__", None) == "torch.nn.functional":
        parameters = inspect.signature(function).parameters
        if "reduction" in parameters and parameters["reduction"].default == "mean":
            return partial(function, reduction="none")
    return None


def _ignored(function: Callable[..., Any]) -> int | None:
    """The class number that one of PyTorch's losses leaves out of its mean; its defaults are those of its function."""
    if isinstance(function, nn.Module):
        return getattr(function, "ignore_index", None)
    parameter = inspect.signature(function).parameters.get("ignore_index")
    return None if parameter is None else int(parameter.default)


def _met(output: Tensor, target: Tensor) -> Tensor:
    """The target in the shape of the outputs, repeated for each of k sub-networks."""
    return target.unsqueeze(1).expand_as(output) if target.dim() == output.dim() - 1 else target


def poisson(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of counts whose rate is exp(output), without the term that only the target decides."""
    output = output.float()
    return output.exp() - _met(output, target) * output


def binary_of_probabilities(output: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of networks that end in sigmoid."""
    shares = output.float().clamp(SMALLEST, 1 - SMALLEST)
    target = _met(shares, target)
    return -(target * shares.log() + (1 - target) * (1 - shares).log())


def cross_entropy_of_probabilities(ending: Ending, output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of networks that end in softmax (or sigmoid): ``(batch, …)`` from class numbers ``(batch, …)``."""
    logs = _logs(ending, output.float())
    if target.dim() == logs.dim() - 2:  # k sub-networks
        target = target.unsqueeze(1).expand(logs.shape[:-1])
    return -logs.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def cross_entropy_of_shares(ending: Ending, output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy with probabilities ``(batch, classes)`` as targets."""
    return -(_logs(ending, output.float()) * _met(output, target)).sum(-1)


def _logs(ending: Ending, output: Tensor) -> Tensor:
    """Logarithms of the probabilities that the outputs stand for."""
    if ending in ("softmax", "sigmoid"):
        shares = output / output.sum(-1, keepdim=True).clamp(min=SMALLEST)
        return shares.clamp(min=SMALLEST).log()
    return torch.log_softmax(output, -1)


def ending_of(output: Tensor) -> Ending:
    """What a network ends in, read from the graph that autograd keeps; views of the last result do not hide it."""
    ends: dict[str, Ending] = {"Softmax": "softmax", "Sigmoid": "sigmoid", "LogSoftmax": "log-softmax"}
    node = output.grad_fn
    while node is not None and node.name() in _VIEWS:
        following: Sequence[Any] = [one for one, _ in node.next_functions if one is not None]
        node = following[0] if len(following) == 1 else None
    return ends.get(node.name().removesuffix("Backward0"), "") if node is not None else ""


_VIEWS = {
    *(f"{name}Backward0" for name in ("Squeeze", "Unsqueeze", "View", "UnsafeView", "Alias", "Clone", "ReshapeAlias")),
    "ToCopyBackward0", "SqueezeBackward1", "SqueezeBackward2",
}  # fmt: skip
