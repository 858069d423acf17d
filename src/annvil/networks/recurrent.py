"""Feedback networks for series: plain recurrent ones (Elman 1990), LSTM (Hochreiter and Schmidhuber 1997), GRU (Cho et
al. 2014), step by step or patch by patch.

Over patches, a strided convolution reads so many steps at a time and the recurrence goes from patch to patch: still a
feedback network, but of a fraction of the steps, so that it trains in a fraction of the time. What the last layer sees
is the state after the last step and the mean of all states. Two directions are two one-way recurrences, the second over
the series backwards from its own end; PyTorch's own second direction would begin in the padding.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from annvil.networks.dropout import Dropout
from annvil.networks.series_input import Scaling, SeriesInput

Cell = Literal["gru", "lstm", "rnn"]
CELLS: dict[Cell, Any] = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


@dataclass(frozen=True)
class RecurrentArchitecture:
    """Everything that a network's weights do not say.

    Attributes
    ----------
    n_channels, n_outputs : values of a step; logits or values
    cell : what the recurrence is made of
    width, layers : units of a layer, and how many there are one above the other
    patch : steps that are read at a time; 1: every step is one of the recurrence
    directions : 2: a second recurrence reads the series backwards
    scaling : see `SeriesInput`
    """

    n_channels: int
    n_outputs: int
    cell: Cell = "gru"
    width: int = 64
    layers: int = 1
    patch: int = 1
    directions: int = 1
    scaling: Scaling = "channel"

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "recurrent", **asdict(self)}


class RecurrentNetwork(nn.Module):
    """Values ``(n, channels, time)`` and lengths ``(n,)`` → ``(n, n_outputs)``.

    What lies behind the end of a series is never seen: states of a one-way recurrence follow from earlier steps alone,
    and those behind the end are not pooled.
    """

    def __init__(self, architecture: RecurrentArchitecture, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.input = SeriesInput(a.n_channels, a.scaling)
        self.patches = nn.Conv1d(a.n_channels, a.width, a.patch, stride=a.patch) if a.patch > 1 else None
        n_inputs = a.n_channels if self.patches is None else a.width
        recurrence = CELLS[a.cell]
        self.recurrences = nn.ModuleList(
            recurrence(n_inputs, a.width, a.layers, batch_first=True) for _ in range(a.directions)
        )
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(2 * a.width * a.directions, a.n_outputs)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Initial weights: orthogonal ones between states (Saxe et al. 2014), so that what is remembered neither grows
        nor fades at first; the forget gate of an LSTM open (Jozefowicz et al. 2015)."""
        for name, weight in self.named_parameters():
            if ".weight_hh" in name:
                for gate in torch.split(weight, self.architecture.width):
                    nn.init.orthogonal_(gate, generator=generator)
            elif weight.dim() > 1:
                bound = (3 / weight[0].numel()) ** 0.5
                weight.uniform_(-bound, bound, generator=generator)
            else:
                weight.zero_()
                if self.architecture.cell == "lstm" and ".bias_ih" in name:
                    weight[self.architecture.width : 2 * self.architecture.width] = 1.0

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        x, _ = self.input(values, lengths)
        pooling = pooled_steps(x, lengths, self.architecture.patch)
        read = self.read(x)
        pooled = [pooling @ self.recurrences[0](read)[0]]
        if len(self.recurrences) > 1:
            backwards = read.gather(1, self._backwards(read, x, lengths))
            pooled.append(pooling @ self.recurrences[1](backwards)[0])
        features = torch.cat(pooled, dim=2).flatten(1)
        return self.head(self.dropout(features))  # type: ignore[no-any-return]

    def read(self, x: Tensor) -> Tensor:
        """Scaled values ``(n, channels, time)`` as the recurrence takes them, ``(n, steps or patches, units)``; what a
        last patch lacks is the mean, 0."""
        if self.patches is None:
            return x.transpose(1, 2)
        patch = self.architecture.patch
        whole = nn.functional.pad(x, (0, patch - 1))
        if not self.training:
            return torch.relu(self.patches(whole)).transpose(1, 2)
        # The same as one product, which many networks can share a step of, as they cannot of a convolution.
        parts = whole.unfold(2, patch, patch).transpose(1, 2).flatten(2)
        return torch.relu(nn.functional.linear(parts, self.patches.weight.flatten(1), self.patches.bias))

    def _backwards(self, read: Tensor, x: Tensor, lengths: Tensor) -> Tensor:
        """Where each step comes from if a series is read from its end: int64 like ``read``."""
        patch = self.architecture.patch
        steps = torch.arange(x.shape[2], device=x.device)[::patch].div(patch, rounding_mode="floor")
        last = (lengths - 1).div(patch, rounding_mode="floor")
        each = torch.zeros(read.shape[2], dtype=torch.int64, device=x.device)  # of every unit the same
        return (last[:, None] - steps).clamp(min=0)[:, :, None] + each

    def examples(self) -> tuple[Tensor, Tensor]:
        """One series, as `forward` takes them, of one step."""
        return torch.zeros(1, self.architecture.n_channels, 1), torch.ones(1, dtype=torch.int64)


def pooled_steps(x: Tensor, lengths: Tensor, patch: int = 1) -> Tensor:
    """Weights ``(n, 2, steps or patches)`` under which states of steps come to their mean and to the last one."""
    steps = torch.arange(x.shape[2], device=x.device)
    end = (lengths - 1).div(patch, rounding_mode="floor") * patch
    inside = (steps < lengths[:, None])[:, ::patch].to(x.dtype)
    last = (steps == end[:, None])[:, ::patch].to(x.dtype)
    return torch.stack([inside / inside.sum(dim=1, keepdim=True), last], dim=1)


class RecurrentStep(nn.Module):
    """A network of one direction called step by step: values of a step ``(n, channels)`` and a state ``(n, n_state)`` →
    scores ``(n, n_outputs)``, those of the series so far, and the next state.

    The state holds the states of the recurrence (and cells of an LSTM) after the last whole patch, their mean so far,
    how many there were, and of an unfinished patch the steps so far and their number. All are 0 at first. So a network
    over patches says something after every step, too, and its recurrence goes on once a patch.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        super().__init__()
        self.network = network
        a = network.architecture
        self.sizes = [a.layers * a.width] * (2 if a.cell == "lstm" else 1) + [a.width, 1]
        self.sizes += [a.n_channels * a.patch, 1] if a.patch > 1 else []

    @staticmethod
    def can(architecture: RecurrentArchitecture) -> bool:
        """Whether all that a network needs is carried from step to step."""
        return architecture.directions == 1 and architecture.scaling == "channel"

    @property
    def n_state(self) -> int:
        """Numbers of a state."""
        return sum(self.sizes)

    def forward(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        network, a = self.network, self.network.architecture
        x, _ = network.input(values[:, :, None], torch.ones_like(values[:, 0], dtype=torch.int64))
        parts = torch.split(state, self.sizes, dim=1)
        n_states = 2 if a.cell == "lstm" else 1
        old, (mean, count) = parts[:n_states], parts[n_states : n_states + 2]
        begun = old[:0]
        if network.patches is not None:
            seen, place = parts[n_states + 2 :]
            here = (torch.arange(a.patch, device=values.device) == place).to(x.dtype)
            x = seen.view(-1, a.n_channels, a.patch) + x * here[:, None]
            read, begun = torch.relu(network.patches(x)).transpose(1, 2), (x.flatten(1), place + 1)
        else:
            read = x.transpose(1, 2)
        given = [one.view(-1, a.layers, a.width).transpose(0, 1).contiguous() for one in old]
        y, after = network.recurrences[0](read, tuple(given) if a.cell == "lstm" else given[0])
        new = [one.transpose(0, 1).flatten(1) for one in (after if a.cell == "lstm" else (after,))]
        top = y[:, 0]
        mean_now = mean + (top - mean) / (count + 1)
        scores = network.head(network.dropout(torch.cat([mean_now, top], dim=1)))
        states = torch.cat([*new, mean_now, count + 1], dim=1)
        if network.patches is None:
            return scores, states
        full = begun[1] >= a.patch
        kept = torch.where(full, states, torch.cat([*old, mean, count], dim=1))
        unfinished = torch.cat(begun, dim=1)
        return scores, torch.cat([kept, torch.where(full, torch.zeros_like(unfinished), unfinished)], dim=1)
