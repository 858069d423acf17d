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
from annvil.trainer.arguments.settings import Settings
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.arguments.training_rows import Rows, class_weights, weights_of, with_validation, without_ignored
from annvil.trainer.inputs.arrays import LARGE, target_array
from annvil.trainer.inputs.module_source import source_of
from annvil.trainer.inputs.target_inference import decide
from annvil.trainer.inputs.targets import Target
from annvil.trainer.keras.compile import Compiled, compiled
from annvil.trainer.keras.model import KerasNetwork
from annvil.trainer.monitoring.callbacks import Callbacks
from annvil.training import Recipe
from annvil.training.recipe import Bytes, check_members
from annvil.training.system.distributed import Distributed


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
    now, monitor, seed = time.monotonic(), settings.stop.monitor or "loss", whole_number(settings.seed, "seed", 0)
    truth = None if y is None else target_array(y)
    source, inputs, output = source_of(network, seed, X, None if truth is None else len(truth))
    truth = _autoencoded(inputs) if truth is None else truth
    if len(truth) != len(inputs[0]):
        raise DataError(f"X has {len(inputs[0])} rows and y has {len(truth)}; they must have equally many.")
    told = Compiled()  # by Keras' compile
    if isinstance(source.template, KerasNetwork):
        told = compiled(source.template.model, with_optimizer=settings.optimizer.name is None)
    target, chosen, notices = _learnt(settings.loss, told, truth, output)
    if settings.regularization.label_smoothing and not chosen.smooths:
        raise RequestError(f"label_smoothing works with cross-entropy of logits; the loss is {chosen.name}.")
    targets = target.encode(truth, "training")
    by_class = class_weights(settings.class_weight, target, targets)
    weights = weights_of(settings.sample_weight, by_class, target, targets)
    rows = Rows(inputs, targets, weights, np.arange(len(targets)), np.arange(0))
    rows = with_validation(rows, validation, target, source.template, by_class, seed)
    weights, left_out = without_ignored(rows.weights, chosen.ignored, rows.targets)
    of_keras = (
        Score(name, compute, not any(word in name.lower() for word in _ERRORS))
        for name, compute in told.metrics.items()
    )
    scores = (*of_keras, *read_scores(settings.metrics, target))
    recipe, of_members = _engine_settings(settings, told, len(rows.train))
    judged = divides or len(rows.validation) > 0
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
        recipe=_recipe(recipe | {"byte_inputs": source.byte_inputs}, monitor, scores, judged),
        settings=of_members,
        seed=seed,
        monitor=monitor,
        seconds=None if settings.stop.budget is None else seconds_of(settings.stop.budget),
        checkpoint=_checkpoint(settings.checkpoint),
        augment=augment_for(settings.regularization.augment, rows.inputs, rows.targets),
        callbacks=Callbacks() if silent or callbacks is None else callbacks,
        distributed=together,
        verbose=False if silent else settings.logging.verbose,
        notices=(*notices, *left_out, *_worth_knowing(network, rows.inputs, source.byte_inputs)),
    )
    with _in_the_users_words():
        check_members([request.member()], len(rows.targets))
    return request


def whole_number(value: Any, name: str, least: int) -> int:
    """The number; `RequestError` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise RequestError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    return int(value)


MEMBER_SETTINGS = ("learning_rate", "weight_decay", "momentum", "label_smoothing", "dropout")

_ERRORS = ("error", "loss", "mse", "mae", "entropy")  # in the name of a metric of Keras: less is better
_OF_RMSPROP = {"learning_rate": 1e-2, "momentum": 0.0, "betas": (0.0, 0.99)}
"""The defaults of `torch.optim.RMSprop`, whose eps is the recipe's."""

_OF_RECIPE = (
    "epochs", "batch_size", "optimizer", "nesterov", "betas", "schedule", "warmup", "clip_norm", "accumulate",
    "average", "patience", "shuffle", "batches", "precision", "threads",
)  # fmt: skip


def _engine_settings(
    settings: Settings, told: Compiled, n_train: int
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """Arguments of the recipe, and of each member: what was said, else what ``compile`` said, else the default."""
    said = {name: value for name, value in flat(settings).items() if value is not None}
    of_keras = dict(told.settings)
    together = of_keras.get("accumulate", 1)
    size = said["batch_size"]
    counts = isinstance(size, int) and size > 0  # what is no size is refused with the recipe
    if "accumulate" not in said and counts and (n_train % size or n_train // size % together):
        _refuse_carrying(together)
    if told.schedule is not None:
        of_keras["schedule"] = told.schedule(math.ceil(n_train / said["batch_size"]) * said["epochs"])
    defaults: dict[str, Any] = {"learning_rate": 1e-3, "weight_decay": 0.0, "label_smoothing": 0.0}
    if str(said.get("optimizer")).lower() == "rmsprop":
        defaults |= _OF_RMSPROP
    all_known = defaults | of_keras | said
    recipe = {name: defaults[name] for name in _OF_RECIPE if name in defaults}
    recipe |= {name: value for name, value in of_keras.items() if name not in MEMBER_SETTINGS}
    recipe |= {name: said[name] for name in _OF_RECIPE if name in said}
    recipe |= {"execution": settings.execution.mode, "keep": "best" if settings.stop.restore_best else "last"}
    return recipe, {name: all_known.get(name) for name in MEMBER_SETTINGS}


def _refuse_carrying(together: int) -> None:
    """Keras goes on accumulating where an epoch ends, and counts short batches as whole ones."""
    if together > 1:
        raise RequestError(
            f"Keras' gradient_accumulation_steps={together} would make updates of batches from two epochs, or of "
            f"unequal ones: choose a batch_size that gives an epoch a multiple of {together} equal batches, or say "
            f"accumulate={together}, with which an epoch ends an update."
        )


def _autoencoded(inputs: tuple[Tensor, ...]) -> NDArray[Any]:
    """Without ``y`` the input itself is what the network learns to put out."""
    if len(inputs) > 1:
        raise RequestError("Without y the network learns to give X back, which needs a single input; pass y.")
    return inputs[0].float().numpy()


def _learnt(loss: Any, told: Compiled, y: NDArray[Any], output: Tensor) -> tuple[Target, ChosenLoss, list[str]]:
    """What ``y`` is, the loss for it, and what is to be said of them."""
    asked = canonical(loss)
    if asked == "auto" and told.loss is not None:
        asked = told.loss
    target = decide(y, tuple(output.shape[1:]), ending_of(output), family_of(asked))
    chosen, notices = choose(asked, target)
    if y.ndim == 1 and callable(asked) and target.kind == "numbers":
        notices.append("y has one axis and the outputs two, so y was given a second one: (rows,) became (rows, 1).")
    return target, chosen, notices


def _recipe(recipe: Mapping[str, Any], monitor: str, scores: tuple[Score, ...], judged: bool) -> Recipe:
    optimizer, patience = recipe.get("optimizer", "adamw"), recipe.get("patience")
    if not isinstance(optimizer, str):
        raise RequestError(f"optimizer must be a name such as 'adamw' or 'sgd'; got a {type(optimizer).__name__}.")
    names = [score.name for score in scores]
    if monitor != "loss" and monitor not in names:
        raise RequestError(
            f"monitor must be 'loss' or one of the metrics asked for ({', '.join(names) or 'none'}); got {monitor!r}."
            f"{did_you_mean(monitor, ['loss', *names])}"
        )
    if not judged and (patience is not None or monitor != "loss"):
        what = "monitor" if patience is None else "patience"
        raise RequestError(f"{what} needs validation rows to watch: pass validation=(X, y) or a share such as 0.2.")
    own = {"optimizer": optimizer.lower(), "monitor": "loss" if monitor == "loss" else "metric"}
    with _in_the_users_words():
        return Recipe(**{**recipe, **own})


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
    return distributed if isinstance(distributed, Distributed) else Distributed.from_environment()


def _worth_knowing(network: Any, inputs: tuple[Tensor, ...], byte_inputs: Bytes) -> list[str]:
    """What there is to say of where the network lies, and of the inputs."""
    found = []
    devices = [parameter.device for parameter in network.parameters()] if isinstance(network, nn.Module) else []
    elsewhere = next((device for device in devices if device.type != "cpu"), None)
    if elsewhere is not None:
        found.append(f"The network lies on {elsewhere}: it is trained on the processor, and its weights go back there.")
    if byte_inputs == "fractions" and any(tensor.dtype == torch.uint8 for tensor in inputs):
        found.append(
            "X holds bytes (uint8): the network gets them divided by 255; do so too where you call it yourself."
        )
    largest = max((float(tensor.abs().max()) for tensor in inputs if tensor.is_floating_point()), default=0.0)
    if largest > LARGE:
        said = "networks learn best from numbers near -1 to 1: standardise columns, or divide by the largest value"
        found.append(f"The inputs reach {largest:,.4g}; {said}.")
    return found
