"""How likely each word's chain gives off the frames of a clip: the same module in memory and in the graph.

Going through a chain frame by frame would need a loop in the graph. In a chain that only goes on, the best way has a
closed form: with ``C_s`` the running sum over time of what staying in state ``s`` brings, the best way to be in it is

    ``best_s(t) = C_s(t) + max over τ ≤ t of (best_{s-1}(τ - 1) - C_s(τ - 1))``, and leaving ``s - 1`` to be paid for,

a running sum and a running maximum for each state, all words and clips together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from annvil.kinds.sound.hidden_markov.chains import NO_WAY, leave
from annvil.kinds.sound.hidden_markov.training import Chains
from annvil.kinds.sound.spoken import places_of

DOUBLINGS = 9
"""Of the reach of a running maximum: nobody stays in one state for more than 512 frames, five seconds."""


def running_maximum(x: Tensor, doublings: int = DOUBLINGS) -> Tensor:
    """The largest of each number and of those before it along the last axis, as far back as ``2 ** doublings``."""
    for k in range(doublings):
        x = torch.maximum(x, pad(x, (1 << k, 0), value=NO_WAY)[..., : -(1 << k)])
    return x


class ChainScores(nn.Module):
    """Frames float32 ``(n, features, time)`` and counts ``(n,)`` to log probabilities of the best ways, float64
    ``(n, words)``; about `NO_WAY` where a clip has fewer frames than the chains have states."""

    squares: Tensor
    values: Tensor
    constant: Tensor
    stay: Tensor
    go: Tensor

    def __init__(self, chains: Chains) -> None:
        super().__init__()
        squares, values, constant = (torch.from_numpy(one) for one in chains.mixtures.quadratic())
        self.n_words, self.n_states = chains.stay.shape
        self.n_components = chains.mixtures.weights.shape[1]
        self.register_buffer("squares", squares.T.float().contiguous()[:, :, None])
        self.register_buffer("values", values.T.float().contiguous()[:, :, None])
        self.register_buffer("constant", constant.float())
        self.register_buffer("stay", torch.from_numpy(chains.stay))
        self.register_buffer("go", torch.from_numpy(leave(chains.stay)))

    def emissions(self, frames: Tensor) -> Tensor:
        """Log densities of frames in all states, float32 ``(n, words × states, time)``."""
        found = torch.conv1d(frames * frames, self.squares) + torch.conv1d(frames, self.values, self.constant)
        found = found.reshape(len(found), self.n_words * self.n_states, self.n_components, -1)
        top = found.amax(dim=2, keepdim=True)
        densities: Tensor = (found - top).exp().sum(dim=2).log() + top[:, :, 0]
        return densities

    def forward(self, frames: Tensor, counts: Tensor) -> Tensor:
        emissions = self.emissions(frames).double().reshape(len(frames), self.n_words, self.n_states, -1)
        best = emissions[:, :, 0]
        for state in range(self.n_states):
            staying = emissions[:, :, state] + self.stay[:, state, None]
            total = staying.cumsum(dim=2)
            if state == 0:
                best = total - self.stay[:, 0, None]
                continue
            entered = pad((best - total)[:, :, :-1], (1, 0), value=NO_WAY)
            paid = self.go[:, state - 1, None] - self.stay[:, state, None]
            best = total + paid + running_maximum(entered)
        last = places_of(best) == counts[:, None, None] - 1
        return best.where(last, torch.tensor(2 * NO_WAY, dtype=torch.float64)).amax(dim=2) + self.go[:, -1]
