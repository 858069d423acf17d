"""What `annvil.train` returns for one network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from annvil.bundle.network import save_network
from annvil.files import write_atomically
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.monitoring.health import Health, HealthMonitor
from annvil.trainer.results.charts import Plot, history_chart, summary
from annvil.trainer.results.onnx_file import graph_of, input_names
from annvil.trainer.results.predictions import Predicting, Predictor
from annvil.training import Population


@dataclass(frozen=True)
class Result(Predicting):
    """A trained network and how it came about.

    Attributes
    ----------
    network : the trained `torch.nn.Module`, in evaluation mode; a copy of its own, beside the user's module, which got
        the same weights
    history : by name one value an epoch: "loss" (training, mean over the epoch's steps), "val_loss", every metric
        ("accuracy", "val_accuracy": with the weights after the epoch, training rows drawn once where there are very
        many), "learning_rate"
    best_epoch : the epoch whose weights were kept, counted from 1; 0: the initial weights
    state : "finished", "stopped early at epoch 31", "stopped at epoch 4 because the budget was over", "diverged at
        epoch 3: …"
    score : at the best epoch, on validation rows (on training rows where there are none): the metric that was
        monitored, else the first one, else the loss
    seconds : wall clock
    choices : what the engine chose and why: execution, precision, threads
    notices : sentences on what was chosen from the data, and what is worth knowing
    health : gradients and activations layer by layer, with sentences on what went wrong; None where nobody looked
    """

    network: nn.Module = field(repr=False)
    history: Mapping[str, list[float]] = field(repr=False)
    best_epoch: int
    state: str
    score: float
    seconds: float
    choices: Mapping[str, Any] = field(repr=False)
    notices: tuple[str, ...]
    health: Health | None = field(repr=False)
    predictor: Predictor = field(repr=False)
    monitor: str = field(default="loss", repr=False)

    @classmethod
    def of(
        cls,
        request: Request,
        population: Population,
        history: Mapping[str, list[float]],
        watch: HealthMonitor | None,
        seconds: float,
        because: str = "",
    ) -> Result:
        """The result of a population of one; ``because`` completes the state of a member that was stopped."""
        state = population.states[0]
        if state.startswith("stopped at epoch"):
            state = state.replace("by the listener", "because a callback asked for it")
            state = f"{state} {because}" if because and "because" not in state else state
        network = population.network(0)
        notices = list(request.notices)
        diverged = state.startswith("diverged")
        if population.choices.get("execution") == "eager" and request.recipe.execution != "eager":
            because = str(population.choices["execution_because"]).removeprefix("it ")
            notices.append(f"Steps are computed eagerly, by PyTorch's autograd, because the network {because}.")
        if diverged:
            notices.append(f"Training {state}; try a smaller learning rate, clip_norm=1, or scaled inputs.")
        best = int(population.best_epochs[0])
        first = "loss" if request.first_score is None else request.first_score.name
        values = history.get(f"val_{first}", history.get(first, []))
        return cls(
            network=network,
            history=history,
            best_epoch=best,
            state=state,
            score=float(values[best - 1]) if 0 < best <= len(values) else math.nan,
            seconds=seconds,
            choices=dict(population.choices),
            notices=tuple(notices),
            health=None if watch is None else watch.health(diverged),
            predictor=Predictor.of(request, network),
            monitor=request.monitor,
        )

    @property
    def execution(self) -> str:
        """How steps were computed: "recorded", "recorded, one by one" or "eager"."""
        return str(self.choices.get("execution", "recorded"))

    @property
    def execution_reason(self) -> str:
        """Why, in one sentence."""
        return str(self.choices.get("execution_because", ""))

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels in the order of the columns of `predict_proba`; empty where there are none."""
        return self.predictor.target.labels

    def to_onnx(self, path: str | Path) -> Path:
        """Write the network as one ONNX file, from rows as in training to outputs, for any number of rows.

        Its inputs have the names of the arguments of ``forward``; its outputs are ``output``, as the network gives it,
        and where there are classes ``probability``, in the order of `classes`. It was compared with the network on
        training rows.

        Raises
        ------
        RequestError
            When the network does what ONNX cannot: the message names the operation and the layer.
        MachineError
            When the file cannot be written.
        """
        write_atomically(Path(path), graph_of(self.predictor))
        return Path(path)

    def save(self, path: str | Path) -> Path:
        """Write a folder that `annvil.load` reads, without PyTorch: the graph, the weights, and what they are.

        Raises as `to_onnx` does, and `RequestError` when something that is no saved network is in the way.
        """
        predictor, target = self.predictor, self.predictor.target
        inputs = zip(input_names(predictor), predictor.forms, strict=True)
        return save_network(
            Path(path),
            graph_of(predictor),
            inputs=[(name, str(dtype).removeprefix("torch."), shape) for name, (dtype, shape) in inputs],
            kind=target.kind,
            labels=target.labels,
            is_flat=target.flat,
            weights={name: tensor.detach().cpu().numpy() for name, tensor in self.network.state_dict().items()},
        )

    def plot(self, path: str | Path | None = None) -> Plot:
        """Loss and metrics by epoch, the best epoch marked; written to ``path`` as SVG if given. Notebooks show it."""
        return Plot(self._chart(), path)

    def _chart(self) -> str:
        return history_chart(self.history, self.best_epoch, self.monitor)

    def _repr_html_(self) -> str:
        return summary(self.facts(), self.notices, self._chart())

    def facts(self) -> dict[str, str]:
        """A few facts in words, as notebooks show them."""
        facts = {"state": self.state, "best epoch": str(self.best_epoch), "score": f"{self.score:.4g}"}
        return facts | {"seconds": f"{self.seconds:.1f}", "execution": self.execution}
