"""Whether a network learns as it should: gradients and activations, layer by layer, judged in plain words.

`HealthMonitor` listens to a training. After some of its epochs it shows the network a few rows and notes, for every
layer with weights, how large the gradient is beside the weights, what comes out of the layer, and which units never
speak. `judge` turns the notes into sentences, each with what to try.

What goes wrong, and the thresholds it is called so from. They are assumed, and set so that the sick networks of
tests/trainer/test_health.py are named and the healthy ones are not:

- vanishing gradients (Hochreiter 1991; Glorot and Bengio 2010): the first layer's gradient, beside its weights, is less
  than 1/1000 of the last one's;
- exploding ones: more than 1000 times the last one's, or activations whose spread is 1000 times the inputs';
- dead units (Lu et al. 2019, arXiv 1903.06733): half of a layer's units of ReLU are 0 for every row shown;
- saturated ones: half of what a hidden sigmoid or tanh gives lies within 1% of its ends, where its gradient is 0;
- a training loss that is no number, or that has not fallen by 2% after five epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from annvil.text.phrases import inside
from annvil.trainer.monitoring.layer_stats import LayerProbe, probe_layers
from annvil.training.recipe import Look, Progress

FAR = 1000.0  # ratio of gradients, or of spreads, from which they vanish or explode
DEAD = 0.5  # share of a layer's units from which dead ones are named
SATURATED = 0.5  # share of a layer's numbers from which saturated ones are named
FALLEN = 0.98  # a training loss above this share of its first epoch's has not fallen
PATIENT = 5  # epochs that a loss is given to fall
PROBE_ROWS = 256  # most rows shown to the network: a unit that is silent for so many is silent


@dataclass(frozen=True)
class LayerHealth:
    """One layer with weights, at the last epoch looked at.

    Attributes
    ----------
    layer : what the sentences call it, such as "Layer 3 (Linear)", counted in the order in which layers are used
    name : its path in the network, such as "2" or "encoder.layers.0.linear1"
    gradient : norm of the gradient of its weights divided by the norm of its weights; NaN without a gradient
    mean, spread : mean and standard deviation of what it gives, after its activation; NaN where it was not seen
    units : how many units it has; 0 where it was not seen
    dead : units of ReLU that gave 0 for every row shown
    saturated : share of what a sigmoid or tanh gave that lies within 1% of its ends
    """

    layer: str
    name: str
    gradient: float
    mean: float
    spread: float
    units: int
    dead: int
    saturated: float


@dataclass(frozen=True)
class Health:
    """How a training went: ``sentences`` say what is wrong and what to try (none: nothing was found), ``layers`` what
    was measured after epoch ``epoch``.
    """

    sentences: tuple[str, ...]
    layers: tuple[LayerHealth, ...]
    epoch: int

    @property
    def is_well(self) -> bool:
        """Whether nothing was found."""
        return not self.sentences

    def __str__(self) -> str:
        return "\n".join(self.sentences) or "Nothing wrong was found."


@dataclass
class HealthMonitor:
    """A listener of `train_population` that notes how the only member fares.

    Looks are taken after epochs 1, 2, 3, 4, 6, 8, 12, 16, 24, …: they are few, whatever the number of epochs, and which
    epochs they are hangs on nothing but their number.

    Attributes
    ----------
    rows : what is shown to the network, a few rows of each of its inputs
    """

    rows: tuple[Tensor, ...]
    losses: list[float] = field(default_factory=list)
    _looks: list[tuple[LayerHealth, ...]] = field(default_factory=list)
    _seen_at: int = 0

    def on_epoch(self, progress: Progress, look: Look) -> bool | None:
        """Note the member's loss, and take a look if it is time."""
        loss, trains = float(progress.train_loss[0]), 0 in look.training
        if trains or not math.isfinite(loss):
            self.losses.append(loss)
        if trains and _is_time(progress.epoch):
            self._look(look.network(0), progress.epoch, look.gradients(0))
        return None

    def _look(self, network: nn.Module, epoch: int, gradients: Mapping[str, Tensor] | None = None) -> None:
        self._looks.append(tuple(_layer(probe, gradients or {}) for probe in probe_layers(network, self.rows)))
        self._seen_at = epoch

    def health(self, diverged: bool = False) -> Health:
        """What was found; ``diverged`` if the engine says that the member did."""
        layers = self._looks[-1] if self._looks else ()
        sentences = judge(self._looks, self.losses, _spread(self.rows), diverged)
        return Health(tuple(sentences), layers, self._seen_at)


def _is_time(epoch: int) -> bool:
    """Whether the epoch is 2^n or 3 · 2^n."""
    while epoch % 2 == 0:
        epoch //= 2
    return epoch in (1, 3)


def _layer(probe: LayerProbe, gradients: Mapping[str, Tensor]) -> LayerHealth:
    found = [gradients[name] for name in probe.weights if name in gradients]
    norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in found))
    size = math.sqrt(sum(float(weight.double().square().sum()) for weight in probe.weights.values()))
    layer, gradient = f"Layer {probe.number} ({probe.kind})", norm / size if found and size else math.nan
    seen = (probe.mean, probe.spread, probe.units, probe.dead, probe.saturated)
    return LayerHealth(layer, probe.name, gradient, *seen)


def judge(
    looks: Sequence[Sequence[LayerHealth]], losses: Sequence[float], inputs_spread: float, diverged: bool = False
) -> list[str]:
    """Sentences on what is wrong, the worst first.

    Parameters
    ----------
    looks : the layers in the order in which they are used, for every look taken
    losses : the training loss of every epoch
    inputs_spread : standard deviation of the inputs; the largest of several
    diverged : whether the training was ended because a loss was no number
    """
    found = []
    wrong_at = next((epoch for epoch, loss in enumerate(losses, 1) if not math.isfinite(loss)), 0)
    if wrong_at or diverged:
        when = f"in epoch {wrong_at}" if wrong_at else "after the last epoch that counts"
        found.append(
            f"The training loss became infinite or no number {when}: try a smaller learning rate, clip_norm=1, or "
            "inputs and targets that are scaled."
        )
    found += _flow(looks, inputs_spread)
    last = looks[-1] if looks else ()
    found += [
        f"{layer.layer}: {layer.dead} of {layer.units} units are dead: they gave 0 for every row shown, and do not "
        "learn. Try a smaller learning rate, LeakyReLU or GELU instead of ReLU, or initial biases that are not "
        "negative."
        for layer in last
        if layer.dead >= max(2, DEAD * layer.units)
    ]
    found += [
        f"{layer.layer}: {layer.saturated:.0%} of what its activation gives lies at its ends, where the gradient is 0: "
        "try smaller initial weights, scaled inputs, a smaller learning rate, or ReLU."
        for layer in last
        if layer.saturated > SATURATED
    ]
    best = min(losses[1:], default=math.nan)
    if len(losses) > PATIENT and not wrong_at and losses[0] > 0 and best >= FALLEN * losses[0]:
        found.append(
            f"The training loss has not fallen in {len(losses)} epochs ({losses[0]:.4g} at first, {best:.4g} at best): "
            "try a larger or much smaller learning rate, and check that inputs and targets belong together."
        )
    return found


def _flow(looks: Sequence[Sequence[LayerHealth]], inputs_spread: float) -> list[str]:
    """Vanishing and exploding gradients and activations."""
    found = []
    ratios = [ratio for layers in looks if (ratio := _first_to_last(layers)) is not None]
    typical = sorted(ratios)[len(ratios) // 2] if ratios else 1.0
    ends = [layer.layer for layer in looks[-1] if _has_gradient(layer)] if looks else []
    if typical < 1 / FAR:
        found.append(
            f"Gradients vanish: beside its weights, {inside(ends[0])} gets {_times(1 / typical)} less gradient than "
            f"{inside(ends[-1])}, so that it hardly learns: try fewer layers, ReLU or GELU instead of sigmoid or tanh, "
            "normalisation layers, or connections that skip layers."
        )
    spreads = [layer for layers in looks for layer in layers if layer.spread > FAR * max(inputs_spread, 1.0)]
    if typical > FAR:
        found.append(
            f"Gradients explode: beside its weights, {inside(ends[0])} gets {_times(typical)} more gradient than "
            f"{inside(ends[-1])}: try smaller initial weights, normalisation layers, clip_norm=1, or a smaller "
            "learning rate."
        )
    elif spreads:
        worst = max(spreads, key=lambda layer: layer.spread)
        found.append(
            f"Activations explode: what {inside(worst.layer)} gives spreads by {worst.spread:.0e}, the inputs by "
            f"{inputs_spread:.1g}: try smaller initial weights, normalisation layers, or a smaller learning rate."
        )
    return found


def _first_to_last(layers: Sequence[LayerHealth]) -> float | None:
    """The first layer's gradient beside the last one's, of three layers and more."""
    gradients = [layer.gradient for layer in layers if _has_gradient(layer)]
    if len(gradients) < 3 or not gradients[-1] or not all(map(math.isfinite, gradients)):
        return None
    return max(gradients[0], 1e-30) / gradients[-1]


def _has_gradient(layer: LayerHealth) -> bool:
    # An embedding's gradient is spread over rows of which a batch meets few.
    return not math.isnan(layer.gradient) and "Embedding" not in layer.layer


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio < 1e6 else f"10^{math.floor(math.log10(ratio))} times"


def _spread(rows: Sequence[Tensor]) -> float:
    """The largest standard deviation of the inputs that are numbers; 1 where there is none."""
    spreads = [float(tensor.float().std()) for tensor in rows if tensor.is_floating_point() and tensor.numel() > 1]
    return max(spreads, default=1.0)
