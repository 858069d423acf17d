"""A family of networks: all that the one search must be told about a kind of network.

A family offers candidates, turns the rows of a job into tensors, builds modules, says how they are trained, and makes a
member of a model out of what was trained. Populations, clocks, checkpoints, out-of-fold predictions and judging are the
search's (`annvil.models.networks.search`), and the same for dense, shared, convolutional and transferred networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.data.seeds import derived_seed
from annvil.models.jobs import Job, Json, PreparationOptions
from annvil.models.members import Member
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TargetScaling
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Augment, Recipe


@dataclass(frozen=True)
class Hyperparameters:
    """What every candidate of a family decides; a family adds its own (widths, augmentation, …).

    Attributes
    ----------
    number : its place in the portfolio; decides seeds, so that a candidate is the same wherever it is trained
    learning_rate, weight_decay, dropout, label_smoothing : as `annvil.training.Member` has them
    class_weighted : whether rare classes count as much as frequent ones
    """

    number: int
    learning_rate: float
    weight_decay: float
    dropout: float | None = None
    label_smoothing: float = 0.0
    class_weighted: bool = False

    def to_json(self) -> dict[str, Json]:
        """JSON-able values for `Fitted.configuration`."""
        raise NotImplementedError

    def describe(self) -> str:
        """For people."""
        raise NotImplementedError


class Preparation(Protocol):
    """From raw inputs to the tensors that networks take, learnt from training rows."""

    def transform(self, inputs: Any) -> tuple[Tensor, ...]:
        """Tensors with rows first; bytes stay bytes until a network reads them."""

    def write(self, graph: Graph, *raw: Value) -> tuple[Value, ...]:
        """The same in a graph: one value for each tensor; ``""`` where there is nothing to write."""

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""


@dataclass(frozen=True)
class TrainingData:
    """The rows of a job as tensors.

    Attributes
    ----------
    job : whose rows they are
    inputs, targets : tensors with rows first, as `annvil.training.train_population` takes them
    splits : training and test rows of the job's inner splits, by their places in the tensors
    preparation : what makes such tensors of raw rows
    target : brings outputs of a regression back to target units; None for classes
    shape : what networks of one population must share: numbers of inputs and outputs
    sizes : what the family builds its networks for
    weights : how much each row of the tensors counts, float64; None where all count the same
    """

    job: Job
    inputs: tuple[Tensor, ...]
    targets: Tensor
    splits: Sequence[tuple[IntArray, IntArray]]
    preparation: Preparation
    target: TargetScaling | None = None
    shape: tuple[Any, ...] = ()
    sizes: Any = None
    weights: FloatArray | None = None


D = TypeVar("D", bound=Inputs)
S = TypeVar("S", bound=Hyperparameters)


class NetworkFamily(ABC, Generic[D, S]):
    """A kind of network.

    Attributes
    ----------
    name : of the family
    together : whether networks of one shape, of all jobs of a call, are trained as one population. Where batching
        members does not pay (convolutions become grouped ones), each is trained alone.
    """

    name: ClassVar[str]
    together: ClassVar[bool] = True

    @abstractmethod
    def prepare(self, dataset: Dataset[D], job: Job, options: PreparationOptions) -> TrainingData:
        """The job's rows as tensors; nothing but its training rows may be learnt from."""

    @abstractmethod
    def network(self, data: TrainingData, settings: S, split: int, seed: int) -> nn.Module:
        """A network with its initial weights; it may look at the training rows of the split.

        Which of its parameters Muon moves is the module's own to say (``muon_parameters()``).
        """

    @abstractmethod
    def recipe(self, data: TrainingData, settings: S, scale: float) -> Recipe:
        """How long (``scale`` multiplies epochs), in what batches, with which schedule."""

    @abstractmethod
    def member(self, data: TrainingData, settings: S, networks: Sequence[nn.Module], task: Task) -> Member:
        """Trained networks of one candidate, averaged: what predicts from raw inputs and is shipped."""

    @abstractmethod
    def outputs(self, data: TrainingData, settings: S, network: nn.Module, rows: IntArray, task: Task) -> FloatArray:
        """What a trained network says of rows of the tensors: float64 ``(len(rows), n_outputs)``."""

    def widths(self, data: TrainingData, settings: S) -> tuple[int, ...]:
        """Of the hidden layers, which networks of one population must share."""
        return ()

    def seed(self, job: Job, settings: S, split: int) -> int:
        """A seed for each network of a job, whoever trains beside it."""
        return derived_seed(job.seed, settings.number, split)

    def loss(self, task: Task) -> str:
        """The engine's name of the loss on scores."""
        return task.link.loss

    def augment(self, settings: S) -> Augment | None:
        """What changes training batches on their way to the network."""
        return None


def positions(job: Job) -> list[tuple[IntArray, IntArray]]:
    """Training and test rows of the inner splits as places in ``job.rows``."""
    order = np.argsort(job.rows, kind="stable")

    def places(rows: IntArray) -> IntArray:
        return order[np.searchsorted(job.rows, rows, sorter=order)]

    return [(places(split.train), places(split.test)) for split in job.inner]
