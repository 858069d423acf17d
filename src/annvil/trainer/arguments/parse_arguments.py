"""From the arguments of `annvil.train` to a checked `Request`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from annvil.errors import DataError, RequestError, did_you_mean
from annvil.text.quantities import seconds_of
from annvil.trainer.arguments.augmentation import augment_for
from annvil.trainer.arguments.losses import ChosenLoss, canonical, choose, ending_of, family_of
from annvil.trainer.arguments.metrics import Score, read_scores
from annvil.trainer.arguments.read_settings import flat
from annvil.trainer.arguments.sample_weights import weights_of, without_ignored
from annvil.trainer.arguments.settings import Settings
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.arguments.validation_rows import Rows, with_validation
from annvil.trainer.inputs.arrays import LARGE, target_array
from annvil.trainer.inputs.module_source import Source, source_of
from annvil.trainer.inputs.target_inference import decide
from annvil.trainer.inputs.targets import Family, Target
from annvil.trainer.keras.compile import Compiled, compiled
from annvil.trainer.keras.model import KerasNetwork
from annvil.trainer.monitoring.callbacks import Callbacks
from annvil.training import Recipe
from annvil.training.recipe import Bytes, check_members

MEMBER_SETTINGS = ("learning_rate", "weight_decay", "momentum", "label_smoothing", "dropout")


def read_request(
    network: Any, X: Any, y: Any, validation: Any, settings: Settings, callbacks: Callbacks | None = None,
    divides: bool = False,
) -> Request:  # fmt: skip
    """Check everything that can be checked before the first step.

    ``divides``: rows to judge by will be taken from the others (folds), so that none need be given.

    Raises
    ------
    RequestError, DataError
        With one sentence each; nothing has been changed then.
    """
    now = time.monotonic()
    seed, monitor, class_weight = _seed(settings.seed), settings.stop.monitor or "loss", settings.class_weight
    recipe, own = _engine_settings(settings)
    truth = None if y is None else target_array(y)
    source, inputs, output = source_of(network, seed, X, None if truth is None else len(truth))
    truth = _autoencoded(inputs) if truth is None else truth
    if len(truth) != len(inputs[0]):
        raise DataError(f"X has {len(inputs[0])} rows and y has {len(truth)}; they must have equally many.")
    compiled_model = _compiled(source, "optimizer" not in recipe)
    target, chosen, notices = _learnt(settings.loss, compiled_model, truth, output)
    if own["label_smoothing"] and not chosen.smooths:
        raise RequestError(f"label_smoothing works with cross-entropy of logits; the loss is {chosen.name}.")
    targets = target.encode(truth, "training")
    weights = weights_of(settings.sample_weight, class_weight, target, targets, len(targets))
    rows = Rows(inputs, targets, weights, np.arange(len(targets)), np.arange(0))
    rows = with_validation(rows, validation, target, source.template, class_weight, seed)
    weights, left_out = without_ignored(rows.weights, target, rows.targets)
    scores = (*_compiled_scores(compiled_model), *read_scores(settings.metrics, target))
    recipe, own = _with_compiled(recipe, own, compiled_model, len(rows.train))
    together = _group(settings.execution.distributed)
    silent = together is not None and not together.is_first  # one process speaks for all
    request = Request(
        source=source,
        asked_seconds=now,
        inputs=rows.inputs,
        targets=rows.targets,
        weights=weights,
        train=rows.train,
        validation=rows.validation,
        target=target,
        loss=chosen,
        scores=scores,
        recipe=_recipe(
            recipe | {"byte_inputs": source.byte_inputs}, monitor, scores, divides or len(rows.validation) > 0
        ),
        settings=own,
        seed=seed,
        monitor=monitor,
        seconds=None if settings.stop.budget is None else seconds_of(settings.stop.budget),
        checkpoint=_checkpoint(settings.checkpoint),
        augment=augment_for(settings.regularization.augment, rows.inputs, rows.targets),
        callbacks=Callbacks() if silent or callbacks is None else callbacks,
        distributed=together,
        verbose=False if silent else settings.logging.verbose,
        notices=(*notices, *left_out, *_about_device(network), *_about(rows.inputs, source.byte_inputs)),
    )
    with _in_the_users_words():
        check_members([request.member()], len(rows.targets))
    return request


def _compiled(source: Source, with_optimizer: bool) -> Compiled:
    """What the network was told by Keras' ``compile``; nothing where it is no Keras model."""
    if not isinstance(source.template, KerasNetwork):
        return Compiled(None, {}, {})
    return compiled(source.template.model, with_optimizer)


def _seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise RequestError(f"seed must be a whole number of at least 0; got {seed!r}.")
    return int(seed)


_OF_RECIPE = (
    "epochs", "batch_size", "optimizer", "nesterov", "betas", "schedule", "warmup", "clip_norm", "accumulate",
    "average", "patience", "shuffle", "batches", "precision", "threads",
)  # fmt: skip


def _engine_settings(settings: Settings) -> tuple[dict[str, Any], dict[str, float | None]]:
    """What was said of the recipe, and of each member."""
    said = flat(settings)
    recipe = {name: said[name] for name in _OF_RECIPE if said[name] is not None}
    recipe |= {"execution": settings.execution.mode, "keep": "best" if settings.stop.restore_best else "last"}
    return recipe, {name: said[name] for name in MEMBER_SETTINGS}


def _autoencoded(inputs: tuple[Tensor, ...]) -> NDArray[Any]:
    """Without ``y`` the input itself is what the network learns to put out."""
    if len(inputs) > 1:
        raise RequestError("Without y the network learns to give X back, which needs a single input; pass y.")
    return inputs[0].float().numpy()


def _learnt(
    loss: Any, compiled_model: Compiled, y: NDArray[Any], output: Tensor
) -> tuple[Target, ChosenLoss, list[str]]:
    """What ``y`` is, the loss for it, and what is to be said of them."""
    asked = canonical(loss)
    if asked == "auto" and compiled_model.loss is not None:
        asked = compiled_model.loss
    family: Family = family_of(asked)
    target = decide(y, tuple(output.shape[1:]), ending_of(output), family)
    chosen, notices = choose(asked, target)
    if y.ndim == 1 and callable(asked) and target.kind == "numbers":
        notices.append("y has one axis and the outputs two, so y was given a second one: (rows,) became (rows, 1).")
    return target, chosen, notices


def _compiled_scores(compiled_model: Compiled) -> tuple[Score, ...]:
    return tuple(Score(name, compute, not _is_error(name)) for name, compute in compiled_model.metrics.items())


def _is_error(name: str) -> bool:
    return any(word in name.lower() for word in ("error", "loss", "mse", "mae", "entropy"))


def _with_compiled(
    recipe: Mapping[str, Any], settings: Mapping[str, float | None], compiled_model: Compiled, n_train: int
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """The recipe and the settings, with what ``compile`` said of the optimizer where the caller named none."""
    said: dict[str, Any] = {} if "optimizer" in recipe else dict(compiled_model.settings)
    if compiled_model.schedule is not None and "optimizer" not in recipe:
        said["schedule"] = compiled_model.schedule(math.ceil(n_train / recipe["batch_size"]) * recipe["epochs"])
    mine = {name: value for name, value in settings.items() if value is not None}
    of_members = {name: said.pop(name) for name in MEMBER_SETTINGS if name in said}
    return said | dict(recipe), dict.fromkeys(settings) | _DEFAULTS | of_members | mine


_DEFAULTS: dict[str, float | None] = {"learning_rate": 1e-3, "weight_decay": 0.0, "label_smoothing": 0.0}


def _recipe(recipe: Mapping[str, Any], monitor: str, scores: tuple[Score, ...], judged: bool) -> Recipe:
    given = dict(recipe)
    optimizer = given.get("optimizer", "adamw")
    if not isinstance(optimizer, str):
        raise RequestError(f"optimizer must be a name such as 'adamw' or 'sgd'; got a {type(optimizer).__name__}.")
    given["optimizer"] = optimizer.lower()
    names = [score.name for score in scores]
    if monitor != "loss" and monitor not in names:
        raise RequestError(
            f"monitor must be 'loss' or one of the metrics asked for ({', '.join(names) or 'none'}); got {monitor!r}."
            f"{did_you_mean(monitor, ['loss', *names])}"
        )
    given["monitor"] = "loss" if monitor == "loss" else "metric"
    if not judged and (given.get("patience") is not None or monitor != "loss"):
        what = "patience" if given.get("patience") is not None else "monitor"
        raise RequestError(f"{what} needs validation rows to watch: pass validation=(X, y) or a share such as 0.2.")
    with _in_the_users_words():
        return Recipe(**given)


@contextmanager
def _in_the_users_words() -> Iterator[None]:
    """Whoever calls `train` knows of no recipes and members."""
    try:
        yield
    except RequestError as error:
        raise RequestError(str(error).removeprefix("Recipe: ").removeprefix("Member 0: ")) from error


def _checkpoint(path: Any) -> Path | None:
    if path is None:
        return None
    file = Path(path)
    if file.is_dir():
        raise RequestError(f"checkpoint must name a file, but {file} is a folder; try {file / 'training.checkpoint'}.")
    return file


def _group(distributed: Any) -> Any:
    """This process' group, where several train together."""
    if distributed is False or distributed is None:
        return None
    from annvil.training.system.distributed import Distributed

    return distributed if isinstance(distributed, Distributed) else Distributed.from_environment()


def _about_device(network: Any) -> list[str]:
    if not isinstance(network, nn.Module):
        return []
    elsewhere = next((parameter.device for parameter in network.parameters() if parameter.device.type != "cpu"), None)
    said = f"The network lies on {elsewhere}: it is trained on the processor, and its weights go back there."
    return [] if elsewhere is None else [said]


def _about(inputs: tuple[Tensor, ...], byte_inputs: Bytes) -> list[str]:
    """What is worth knowing of the inputs."""
    found = []
    if byte_inputs == "fractions" and any(tensor.dtype == torch.uint8 for tensor in inputs):
        found.append(
            "X holds bytes (uint8): the network gets them divided by 255; do so too where you call it yourself."
        )
    largest = max((float(tensor.abs().max()) for tensor in inputs if tensor.is_floating_point()), default=0.0)
    if largest > LARGE:
        said = "networks learn best from numbers near -1 to 1: standardise columns, or divide by the largest value"
        found.append(f"The inputs reach {largest:,.4g}; {said}.")
    return found
