"""What `annvil.train` may be told about how to train, each setting declared once.

Settings belong to a few frozen groups (`Optimizer`, `Schedule`, `Stop`, …). Each may be given in its group or flat, by
its own keyword: ``stop=Stop(epochs=100, patience=10)`` is ``epochs=100, patience=10``. A group is its own JSON form. In
a group None stands for "not said", so that two ways of saying something can be told from one; the default is filled in
by `annvil.trainer.arguments.read_settings`. From these declarations follow the signatures and the help of the functions
that take them, and the table in the documentation. Where a type is `Any`, msgspec has none for "a text or a path, a
function, an object": `TrainOptions` says it to type checkers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

from annvil.trainer.arguments.declaration import Setting, documented
from annvil.training.recipe import ExecutionMode, Optimizer as OptimizerName, Precision, ScheduleName


@documented
class Optimizer(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How gradients become updates."""

    name: Annotated[
        OptimizerName | None,
        Setting("the rule of updates", shown="adamw, or what Keras' compile said", flat="optimizer"),
    ] = None
    learning_rate: Annotated[
        float | None, Setting("peak of the learning rate", shown="0.001, of RMSprop 0.01, or what Keras' compile said")
    ] = None
    weight_decay: Annotated[
        float | None,
        Setting(
            "decoupled (AdamW, Muon) or added to the gradient; applied to parameters of two axes and more", shown="0"
        ),
    ] = None
    momentum: Annotated[float | None, Setting("of SGD, RMSprop and Muon, in [0, 1)", shown="0.9, of RMSprop 0")] = None
    nesterov: Annotated[bool | None, Setting("Nesterov's momentum or the classical one", shown="True")] = None
    betas: Annotated[
        tuple[float, float] | None,
        Setting(
            "of Adam and AdamW: how the two moments forget; RMSprop has the second alone",
            shown="(0.9, 0.999), of RMSprop (0, 0.99)",
        ),
    ] = None
    clip_norm: Annotated[float | None, Setting("most that the 2-norm of a gradient may measure", shown="no limit")] = (
        None
    )
    average: Annotated[
        float | None,
        Setting(
            "decay of an exponential moving average of the weights, which is what is validated and kept", shown="none"
        ),
    ] = None


@documented
class Schedule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the learning rate changes over all steps."""

    name: Annotated[
        Any,
        Setting(
            "a name, or a function from the share of all steps that is done to a factor",
            shown="constant",
            choices=get_args(ScheduleName),
            flat="schedule",
        ),
    ] = None
    warmup: Annotated[float | None, Setting("share of all steps over which the rate rises from 0", shown="0")] = None


@documented
class Stop(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When training ends, and which epoch's weights are kept."""

    epochs: Annotated[int | None, Setting("passes over the training rows, at most", default=50, unit="epochs")] = None
    patience: Annotated[
        int | None, Setting("without a better monitor, after which training stops", shown="all epochs", unit="epochs")
    ] = None
    monitor: Annotated[
        str | None,
        Setting(
            "what chooses the best epoch and is waited for: 'loss' (on validation rows), or one of the metrics",
            default="loss",
        ),
    ] = None
    restore_best: Annotated[
        bool | None, Setting("whether the weights of the best epoch are kept, or those of the last", default=True)
    ] = None
    budget: Annotated[
        float | str | None,
        Setting(
            "time limit, as a number or as '90s', '2m', '1h30m'; the best so far is returned when it is over",
            shown="no limit",
            unit="seconds",
        ),
    ] = None


@documented
class Batches(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a step is made of."""

    size: Annotated[
        int | Literal["auto"] | None,
        Setting("in a step, at most; 'auto' measures, see `tune_batch`", default=32, unit="rows", flat="batch_size"),
    ] = None
    mode: Annotated[
        Literal["equal", "exact"] | None,
        Setting(
            "as many steps as the size asks for, all of one size, or exactly so many rows each and a last smaller "
            "step, as the loops of PyTorch and Keras have it",
            shown="equal; exact for compiled Keras models",
            flat="batches",
        ),
    ] = None
    shuffle: Annotated[bool | None, Setting("whether rows come in a new order every epoch", default=True)] = None
    accumulate: Annotated[int | None, Setting("whose gradients make one update", shown="1", unit="steps")] = None


@documented
class Regularization(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What keeps a network from learning rows by heart, beside weight decay and patience."""

    dropout: Annotated[
        float | None, Setting("rate of all of the network's dropout layers", shown="as they were built")
    ] = None
    label_smoothing: Annotated[
        float | None, Setting("share of the target spread over all classes, with cross-entropy", shown="0")
    ] = None
    augment: Annotated[
        Any,
        Setting(
            "how training pictures are changed on their way to the network: an `annvil.Augmentation`, a dict of its "
            "strengths or a text such as 'shift=2,flip=random'; or a function (batch, random) → batch that gets the "
            "rows of a batch as a tensor and a NumPy generator, for any data; several threads may call it at once"
        ),
    ] = None


@documented
class Execution(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How steps are computed; `Result.choices` says what was chosen."""

    mode: Annotated[
        ExecutionMode | None,
        Setting(
            "steps recorded once and replayed, or computed by PyTorch's autograd", default="auto", flat="execution"
        ),
    ] = None
    precision: Annotated[
        Precision | None, Setting("of products and convolutions; weights are float32", default="auto")
    ] = None
    threads: Annotated[int | Literal["auto"] | None, Setting("to use, or 'auto'", default="auto", unit="cores")] = None
    distributed: Annotated[
        Any,
        Setting("train in several processes started by torchrun, each taking a part of every batch", default=False),
    ] = None


@documented
class Search(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Many networks at once; any of these makes `annvil.train` return `Results`."""

    method: Annotated[
        Any,
        Setting(
            "where candidates come from; also a study of Optuna's",
            shown="random",
            choices=("random", "optuna"),
            flat="search",
        ),
    ] = None
    vary: Annotated[
        dict[str, Any] | None,
        Setting("settings and arguments of the network, each with its values: a list, or `annvil.uniform(low, high)`"),
    ] = None
    members: Annotated[int | None, Setting("how many", unit="candidates")] = None
    folds: Annotated[Any, Setting("how many, or each row's fold number, or pairs of training and validation rows")] = (
        None
    )
    groups: Annotated[Any, Setting("of the rows: one group is never on both sides of a fold")] = None
    halving: Annotated[
        Any, Setting("True, or shares of the epochs at which the worse half of the candidates stops", shown="none")
    ] = None


@documented
class Logging(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who is told what happens."""

    callbacks: Annotated[
        Any,
        Setting("functions (epoch, logs) or objects derived from `Callback`; returning True ends training", default=()),
    ] = None
    events: Annotated[Any, Setting("file that gets one JSON line per event")] = None
    tensorboard: Annotated[Any, Setting("folder for TensorBoard (extra tensorboard)")] = None
    health: Annotated[
        bool | None,
        Setting(
            "whether gradients and activations are watched, for `Result.health`: looks of about a millisecond",
            default=True,
        ),
    ] = None
    verbose: Annotated[
        bool | None, Setting("a line of progress on the error stream", shown="where that is a terminal")
    ] = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that `train` may be told beside the network and its rows, with defaults filled in."""

    sample_weight: Annotated[Any, Setting("(rows,), at least 0; batches and validation take the weighted mean")] = None
    class_weight: Annotated[
        Any,
        Setting(
            "a dict from class to weight (1 for those it does not name), or 'balanced': rows / (classes × rows of the "
            "class); multiplied into sample_weight, in validation too"
        ),
    ] = None
    loss: Annotated[
        Any,
        Setting(
            "'auto' (from what y is; said in `Result.notices`), cross-entropy, binary-cross-entropy, squared-error, "
            "absolute-error, huber, poisson, one of PyTorch's losses, or a function (outputs, targets) → scalar; with "
            "a third argument, weights (they sum to 1 over a batch), it can be weighted",
            default="auto",
        ),
    ] = "auto"
    metrics: Annotated[
        Any,
        Setting(
            "names of Annvil's metrics (accuracy, roc_auc, f1, log_loss, r2, mae, …) or functions (y_true, outputs) → "
            "number of NumPy arrays: the targets as the loss takes them, and raw outputs; a dict names functions",
            default=(),
        ),
    ] = ()
    seed: Annotated[
        int,
        Setting(
            "of batches, noise and held-out rows, and of initial weights where a function makes the network", default=0
        ),
    ] = 0
    checkpoint: Annotated[
        Any,
        Setting("file to save to every few seconds; the same call goes on from it, to the same weights"),
    ] = None
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    stop: Stop = Stop()
    batches: Batches = Batches()
    regularization: Regularization = Regularization()
    execution: Execution = Execution()
    search: Search = Search()
    logging: Logging = Logging()
