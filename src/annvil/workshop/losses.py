"""What is minimised: a loss by name, PyTorch's, or the user's own, as the engine takes it.

The engine's losses are ``function(output, target, weight) -> scalar`` for one member's batch, where ``weight`` sums to
1 over a training batch and is 0 for padding; over the validation rows, which may come in several parts, it sums to 1
in all. So a loss that gives one number per row is a weighted sum, and padding changes nothing. A function that takes
the mean itself is given batches without padding instead, and its value is multiplied by the sum of the weights.
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
from torch.nn import functional as F

from annvil.errors import RequestError, did_you_mean
from annvil.training.losses import CustomLoss
from annvil.workshop.targets import Ending, Family, Target

SMALLEST = 1e-7
"""Probabilities that a network itself puts out are kept this far from 0 before their logarithm (as Keras does)."""

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
    exact : whether it must see batches without padding, because it takes the mean itself
    smooths : whether ``label_smoothing`` applies
    """

    name: str
    engine: str | CustomLoss
    exact: bool = False
    smooths: bool = False


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


def choose(loss: str | Callable[..., Any], target: Target, weighted: bool) -> tuple[ChosenLoss, list[str]]:
    """The loss for that target, and what is to be said about it.

    Parameters
    ----------
    loss : from `canonical`
    target : from `decide`, with the loss's family
    weighted : whether rows have weights, which a function that takes the mean itself cannot know
    """
    if callable(loss):
        return _own(loss, target, weighted)
    if loss == "auto":
        named = {"numbers": "squared-error", "classes": "cross-entropy", "positions": "cross-entropy"}
        loss = named.get(target.kind, "binary-cross-entropy")
        chosen, notices = choose(loss, target, weighted)
        return chosen, [f"Loss: {chosen.name}, because {target.why}.", *notices]
    if loss == "squared-error":
        return ChosenLoss(loss, "squared-error" if len(target.shape) == 1 else _weighted(_squared)), []
    if loss == "cross-entropy" and target.kind != "binary":
        return _cross_entropy(target)
    if loss in ("cross-entropy", "binary-cross-entropy"):
        return _binary(target)
    function = {"absolute-error": _absolute, "huber": _huber, "poisson": _poisson}[loss]
    return ChosenLoss(loss, _weighted(function)), []


def _cross_entropy(target: Target) -> tuple[ChosenLoss, list[str]]:
    ending = target.ending
    if target.kind == "classes" and not target.matrix and ending in ("", "log-softmax"):
        return ChosenLoss("cross-entropy", "cross-entropy", smooths=True), []
    function = _cross_entropy_of_shares if target.matrix else _cross_entropy_of_classes
    return ChosenLoss("cross-entropy", _weighted(partial(function, ending))), _said(ending, "cross-entropy")


def _binary(target: Target) -> tuple[ChosenLoss, list[str]]:
    function = _binary_of_probabilities if target.ending else _binary_of_logits
    name = "binary-cross-entropy"
    return ChosenLoss(name, _weighted(function)), _said(target.ending, name)


def _said(ending: Ending, loss: str) -> list[str]:
    if ending not in ("softmax", "sigmoid"):
        return []
    layer = ending.capitalize()
    said = f"The network ends in {layer}, so {loss} takes its outputs for probabilities"
    return [f"{said}; without that last layer it is computed from logits, more exactly, and learning is often faster."]


def _own(function: Callable[..., Any], target: Target, weighted: bool) -> tuple[ChosenLoss, list[str]]:
    """The user's function, or one of PyTorch's."""
    name = getattr(function, "__name__", type(function).__name__)
    notices = _doubled(function, name, target.ending)
    by_row = _by_row(function)
    if by_row is not None:
        return ChosenLoss(name, _weighted(by_row)), notices
    if _n_positional(function) >= 3:
        return ChosenLoss(name, function), notices
    if weighted:
        raise RequestError(
            f"{name} takes the mean over the rows itself, so it cannot weight them; let it take a third argument: "
            "function(outputs, targets, weights), where the weights of a batch sum to 1."
        )
    return ChosenLoss(name, partial(_mean, function), exact=True), notices


def _doubled(function: Callable[..., Any], name: str, ending: Ending) -> list[str]:
    """A warning where logits are expected and probabilities come: it still trains, but badly."""
    softmax = isinstance(function, nn.CrossEntropyLoss) or function is F.cross_entropy
    sigmoid = isinstance(function, nn.BCEWithLogitsLoss) or function is F.binary_cross_entropy_with_logits
    if (softmax and ending in ("softmax", "sigmoid")) or (sigmoid and ending == "sigmoid"):
        said = f"{name} expects logits, but the network ends in {ending.capitalize()}, so that is applied twice"
        return [f'{said} and learning is slow; take the last layer away, or use loss="auto".']
    return []


def _by_row(function: Callable[..., Any]) -> Callable[[Tensor, Tensor], Tensor] | None:
    """One of PyTorch's losses that takes a plain mean, without the mean; else None."""
    if isinstance(function, nn.Module):
        plain = getattr(function, "weight", None) is None and getattr(function, "ignore_index", -100) == -100
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


def _n_positional(function: Callable[..., Any]) -> int:
    """Arguments that a call must give by place; a module's are those of its forward."""
    called = function.forward if isinstance(function, nn.Module) else function
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return 2
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in kinds and (p.default is p.empty or "weight" in p.name)]
    return len(needed)


def _mean(function: Callable[..., Any], output: Tensor, target: Tensor, weight: Tensor) -> Any:
    loss = function(output, target)
    return loss * weight.sum() if isinstance(loss, Tensor) and loss.dim() == 0 else loss


def _weighted(by_row: Callable[[Tensor, Tensor], Tensor]) -> CustomLoss:
    """The engine's form of a loss that gives numbers for each row, ``(batch, …)``."""
    return partial(_weighted_sum, by_row)


def _weighted_sum(by_row: Callable[[Tensor, Tensor], Tensor], output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Of k sub-networks ``(batch, k, out)``, each meets the target; the result is the mean of their losses.

    ``weight`` is ``(batch,)``, or ``(batch, positions)`` where positions are weighted too.
    """
    values = by_row(output.float(), target)
    beyond = values.dim() - weight.dim()
    if beyond < 0:
        return values  # a loss that is no number per row: the engine refuses it by its shape
    if beyond:
        values = values.flatten(weight.dim()).mean(-1)
    return (values * weight).sum() if weight.dim() == 1 else (values * weight).sum() / values.shape[1]


def _met(output: Tensor, target: Tensor) -> Tensor:
    """The target in the shape of the outputs, repeated for each of k sub-networks."""
    return target.unsqueeze(1).expand_as(output) if target.dim() == output.dim() - 1 else target


def _squared(output: Tensor, target: Tensor) -> Tensor:
    difference = output - _met(output, target)
    return difference * difference


def _absolute(output: Tensor, target: Tensor) -> Tensor:
    return (output - _met(output, target)).abs()


def _huber(output: Tensor, target: Tensor) -> Tensor:
    """Huber (1964) with its corner at 1: half the square within, the distance less a half beyond."""
    return F.huber_loss(output, _met(output, target), reduction="none")


def _poisson(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of counts whose rate is exp(output), without the term that only the target decides."""
    return output.exp() - _met(output, target) * output


def _binary_of_logits(output: Tensor, target: Tensor) -> Tensor:
    # softplus(z) - t z = -t log s(z) - (1 - t) log(1 - s(z)), and finite for any z
    return F.softplus(output) - _met(output, target) * output


def _binary_of_probabilities(output: Tensor, target: Tensor) -> Tensor:
    shares = output.clamp(SMALLEST, 1 - SMALLEST)
    target = _met(output, target)
    return -(target * shares.log() + (1 - target) * (1 - shares).log())


def _logs(ending: Ending, output: Tensor) -> Tensor:
    """Logarithms of the probabilities that the outputs stand for."""
    if ending in ("softmax", "sigmoid"):
        shares = output / output.sum(-1, keepdim=True).clamp(min=SMALLEST)
        return shares.clamp(min=SMALLEST).log()
    return torch.log_softmax(output, -1)


def _cross_entropy_of_classes(ending: Ending, output: Tensor, target: Tensor) -> Tensor:
    """``(batch, …)`` from class numbers ``(batch, …)``."""
    logs = _logs(ending, output)
    if target.dim() == logs.dim() - 2:
        target = target.unsqueeze(1).expand(logs.shape[:-1])
    return -logs.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def _cross_entropy_of_shares(ending: Ending, output: Tensor, target: Tensor) -> Tensor:
    return -(_logs(ending, output) * _met(output, target)).sum(-1)


def ending_of(output: Tensor) -> Ending:
    """What a network ends in, read from the graph that autograd keeps; views of the last result do not hide it."""
    ends: dict[str, Ending] = {
        "SoftmaxBackward0": "softmax",
        "SigmoidBackward0": "sigmoid",
        "LogSoftmaxBackward0": "log-softmax",
    }
    node = output.grad_fn
    while node is not None and node.name() in _VIEWS:
        following: Sequence[Any] = [one for one, _ in node.next_functions if one is not None]
        node = following[0] if len(following) == 1 else None
    return ends.get(node.name(), "") if node is not None else ""


_VIEWS = frozenset(
    f"{name}Backward0" for name in ("Squeeze", "Unsqueeze", "View", "UnsafeView", "Alias", "Clone", "Reshape")
) | {"SqueezeBackward1", "ReshapeAliasBackward0", "ToCopyBackward0", "UnsqueezeBackward0"}
