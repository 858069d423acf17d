"""What a Keras model was told by ``compile``: its loss, its optimizer and its metrics, as the engine takes them.

Keras' own functions compute the loss and the metrics, on PyTorch, so that a step gives the number that ``fit`` would
have given. Two departures: a batch's sample weights are scaled to a sum of 1 (Keras divides by the number of rows), and
the optimizer starts anew with every training instead of keeping its moments between two calls of ``fit``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from annvil.errors import RequestError
from annvil.trainer.keras.losses import Rows, crossentropy_by_shape, ends_in_softmax, row_losses
from annvil.trainer.keras.private import asked_metrics, learning_rate, mask_of


@dataclass(frozen=True)
class Compiled:
    """What ``compile`` was told.

    Attributes
    ----------
    loss : ``function(output, target, weight) -> scalar`` for the engine, where ``weight`` sums to 1; None without one
    metrics : by name, ``function(output, target) -> float`` over any number of rows
    settings : arguments of `annvil.training.Recipe` and `annvil.training.Member` that say the same as the optimizer
        (``optimizer``, ``learning_rate``, ``betas``, …), without the schedule
    schedule : where the optimizer has a learning-rate schedule: ``schedule(n_steps)`` is what `Recipe.schedule` takes
        for a training of so many steps; factors of ``settings["learning_rate"]``, which is the rate of the first step
    """

    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    metrics: Mapping[str, Callable[[Tensor, Tensor], float]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    schedule: Callable[[int], Steps] | None = None


@dataclass(frozen=True)
class Steps:
    """A learning-rate schedule step by step: from the share of all steps that is done to the factor."""

    factors: tuple[float, ...]

    def __call__(self, done: float) -> float:
        step = round(done * len(self.factors))
        return self.factors[min(step, len(self.factors) - 1)]


def compiled(model: Any, with_optimizer: bool = True) -> Compiled:
    """What the model was told by ``compile``; a model that was not compiled has no loss, metrics or settings.

    Without ``with_optimizer`` its optimizer is passed over, because the caller has named another one.

    Raises
    ------
    RequestError
        When the engine cannot do what ``compile`` asks for.
    """
    if not getattr(model, "compiled", False):
        return Compiled()
    loss = _loss(model)
    sums = getattr(loss, "reduction", "") == "sum"  # over a batch's rows, instead of their mean
    function = None if loss is None else partial(_batch_loss, row_losses(loss, ends_in_softmax(model)), sums)
    asked = sys.modules["keras"].tree.flatten(asked_metrics(model))
    metrics = {_metric_name(metric): partial(_score, metric) for metric in asked if metric is not None}
    if not with_optimizer or model.optimizer is None:
        return Compiled(function, metrics)
    return Compiled(function, metrics, *_settings(model.optimizer))


def _loss(model: Any) -> Any:
    loss = getattr(model, "loss", None)
    if isinstance(loss, list | tuple | dict):
        values = list(loss.values()) if isinstance(loss, dict) else list(loss)
        if len(values) != 1:
            raise RequestError(
                f"The Keras model {model.name!r} has {len(values)} losses; annvil.train trains models with one "
                "output and one loss."
            )
        loss = values[0]
    return loss


def _batch_loss(rows: Rows, sums: bool, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The loss of a batch: the mean over each row's numbers, then the sum over rows with ``weight``.

    ``weight``, ``(batch,)`` or ``(batch, positions)``, sums to 1 over a training batch, and over all batches of a
    validation; what Keras adds or averages once a batch counts as much as the batch does.
    """
    mask, penalty = mask_of(output), getattr(output, "penalty", None)
    values = rows(output if output.dtype is torch.float32 else output.float(), target)
    share = weight.sum()
    if values.dim() == 0:
        total = values * share  # a function that takes the mean itself
    else:
        spread = weight.view(*weight.shape, *[1] * (values.dim() - weight.dim())).expand_as(values)
        spread = spread / (values[0].numel() or 1)
        if mask is not None:
            spread = spread * mask
            spread = spread * (share / spread.sum().clamp(min=1e-30))
        total = (values * spread).sum()
    if sums:
        total = total * values.numel()
    return total if penalty is None else total + penalty * share


def _metric_name(metric: Any) -> str:
    name = metric if isinstance(metric, str) else getattr(metric, "name", None) or getattr(metric, "__name__", "metric")
    return str(name)


def _score(metric: Any, output: Tensor, target: Tensor) -> float:
    """The metric over the rows given; it starts from nothing each time."""
    keras = sys.modules["keras"]
    if isinstance(metric, str) and metric.lower() in ("accuracy", "acc"):
        kinds = {
            "binary_crossentropy": keras.metrics.BinaryAccuracy,
            "sparse_categorical_crossentropy": keras.metrics.SparseCategoricalAccuracy,
            "categorical_crossentropy": keras.metrics.CategoricalAccuracy,
        }
        metric = kinds[crossentropy_by_shape(output, target)]()
    elif isinstance(metric, str):
        metric = keras.metrics.get(metric)
    if not isinstance(metric, keras.metrics.Metric):
        metric = keras.metrics.MeanMetricWrapper(metric)
    with torch.no_grad():
        metric.reset_state()
        metric.update_state(target, output)
        return float(metric.result())


def _settings(optimizer: Any) -> tuple[dict[str, Any], Callable[[int], Steps] | None]:
    """The optimizer in the engine's words, and its schedule if it has one."""
    keras = sys.modules["keras"]
    kind = type(optimizer).__name__
    settings = {"batches": "exact", **_rule(optimizer, kind), **_extras(optimizer)}
    coupled = settings["optimizer"] == "rmsprop" or settings.get("momentum", 0.0) > 0
    if settings["weight_decay"] and coupled:
        raise RequestError(
            f"The engine's {kind} adds weight decay to the gradient, Keras' to the weights; compile with AdamW, or "
            "without weight_decay."
        )
    rate = learning_rate(optimizer)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        first = _number(rate(0)) or 1.0  # factors are of the first step's rate, unless it is 0
        return settings | {"learning_rate": first}, partial(_steps, rate, first)
    return settings | {"learning_rate": _number(rate() if callable(rate) else rate)}, None


def _steps(schedule: Any, first: float, n_steps: int) -> Steps:
    return Steps(tuple(_number(schedule(step)) / first for step in range(n_steps)))


def _rule(optimizer: Any, kind: str) -> dict[str, Any]:
    """Which rule, and the numbers of its own."""
    for name in ("amsgrad", "centered"):
        if getattr(optimizer, name, False):
            raise RequestError(f"The engine's {kind} knows no {name}=True; compile without it.")
    if kind in ("Adam", "AdamW"):  # Keras' Adam decays weights as AdamW does, if it is asked to
        betas = float(optimizer.beta_1), float(optimizer.beta_2)
        return {"optimizer": "adamw", "betas": betas, "eps": float(optimizer.epsilon), "eps_as": "keras"}
    if kind == "RMSprop":
        own = {"betas": (0.0, float(optimizer.rho)), "eps": float(optimizer.epsilon), "eps_as": "keras"}
        return {"optimizer": "rmsprop", "momentum": float(optimizer.momentum), **own}
    if kind == "SGD":
        momentum = float(optimizer.momentum)
        return {"optimizer": "sgd", "momentum": momentum, "nesterov": bool(optimizer.nesterov) and momentum > 0}
    raise RequestError(
        f"The engine has no {kind}; compile with SGD, Adam, AdamW or RMSprop, or choose an optimizer in "
        "annvil.train(…, optimizer='adamw')."
    )


def _extras(optimizer: Any) -> dict[str, Any]:
    """What all of Keras' optimizers can be asked for."""
    extras: dict[str, Any] = {"weight_decay": float(optimizer.weight_decay or 0.0)}
    for name, what in (("global_clipnorm", "all"), ("clipnorm", "each"), ("clipvalue", "number")):
        if getattr(optimizer, name) is not None:
            extras |= {"clip_norm": float(getattr(optimizer, name)), "clip_by": what}
    if optimizer.use_ema:
        extras["average"] = float(optimizer.ema_momentum)
    if optimizer.gradient_accumulation_steps:
        extras["accumulate"] = int(optimizer.gradient_accumulation_steps)
    return extras


def _number(value: Any) -> float:
    value = getattr(value, "value", value)
    return float(value.detach()) if isinstance(value, Tensor) else float(value)
