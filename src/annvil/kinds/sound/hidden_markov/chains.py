"""Left-to-right chains of states: how likely they give off a sequence of frames, and by which way.

A chain begins in its first state, stays in a state or goes on to the next one, and leaves from its last (Rabiner 1989,
"A tutorial on hidden Markov models", sections III and IV.C). Sequences of a call go through together, one frame after
the other; everything is in nats. What lies behind the end of a sequence does not count.

Shapes: ``emissions`` float64 ``(n, time, states)``: log density of each frame in each state; ``counts`` int64 ``(n,)``:
frames of each sequence; ``stay`` float64 ``(states,)``: log probability of staying, of leaving is ``leave(stay)``.
"""

from __future__ import annotations

import numpy as np

from annvil.tasks.base import FloatArray, IntArray

NO_WAY = -1e30
"""Log probability of what cannot be: a number, so that differences stay numbers."""


def leave(stay: FloatArray) -> FloatArray:
    """Log probability of going on from each state."""
    return np.asarray(np.log(-np.expm1(stay)))


def viterbi(emissions: FloatArray, counts: IntArray, stay: FloatArray) -> tuple[FloatArray, IntArray]:
    """The likeliest way: its log probability ``(n,)``, and the state of each frame ``(n, time)``, -1 behind the end.

    ``stay`` may also be ``(n, states)``: a chain of its own for each sequence. Sequences with fewer frames than states
    have no way: about `NO_WAY`, and some way or other.
    """
    n, n_steps, n_states = emissions.shape
    order = np.argsort(-counts, kind="stable")  # the longest first: who has not ended is always in front
    lasting = np.searchsorted(-counts[order], -np.arange(n_steps), side="left")
    stay = np.broadcast_to(stay, (n, n_states))[order]
    go = leave(stay)
    score = np.full((n, n_states), NO_WAY)
    score[:, 0] = emissions[order, 0, 0]
    came = np.zeros((n_steps, n, n_states), dtype=bool)  # from the state before, not from the same
    for t in range(1, n_steps):
        k = lasting[t]
        before = score[:k]
        after, entered = before + stay[:k], before[:, :-1] + go[:k, :-1]
        came[t, :k, 1:] = entered > after[:, 1:]
        np.maximum(after[:, 1:], entered, out=after[:, 1:])
        score[:k] = after + emissions[order[:k], t]
    path = np.full((n, n_steps), -1, dtype=np.int64)
    state = np.full(n, n_states - 1)
    for t in range(n_steps - 1, -1, -1):
        k = lasting[t]
        path[order[:k], t] = state[:k]
        state[:k] -= came[t, np.arange(k), state[:k]]
    found = np.empty(n)
    found[order] = score[:, -1] + go[:, -1]
    return found, path


def forward(emissions: FloatArray, counts: IntArray, stay: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log probability of the frames up to each and of being in each state there ``(n, time, states)``, and of the whole
    sequence by all ways ``(n,)``. Behind the end the last values are repeated. ``stay`` as for `viterbi`."""
    stay = np.broadcast_to(stay, (len(emissions), emissions.shape[2]))
    go = leave(stay)
    ahead = np.full(emissions.shape, NO_WAY)
    ahead[:, 0, 0] = emissions[:, 0, 0]
    for t in range(1, emissions.shape[1]):
        before = ahead[:, t - 1]
        after = before + stay
        after[:, 1:] = np.logaddexp(after[:, 1:], before[:, :-1] + go[:, :-1])
        ahead[:, t] = np.where((t < counts)[:, None], after + emissions[:, t], before)
    return ahead, ahead[:, -1, -1] + go[:, -1]


def backward(emissions: FloatArray, counts: IntArray, stay: FloatArray) -> FloatArray:
    """Log probability of all frames behind each, given the state there ``(n, time, states)``; 0 behind the end."""
    n, n_steps, n_states = emissions.shape
    stay = np.broadcast_to(stay, (n, n_states))
    go = leave(stay)
    behind = np.zeros(emissions.shape)
    at_end = np.full((n, n_states), NO_WAY)
    at_end[:, -1] = go[:, -1]
    for t in range(n_steps - 1, -1, -1):
        found = np.zeros((n, n_states))
        if t + 1 < n_steps:
            later = behind[:, t + 1] + emissions[:, t + 1]
            found = later + stay
            found[:, :-1] = np.logaddexp(found[:, :-1], later[:, 1:] + go[:, :-1])
        last, inside = np.equal(counts, t + 1)[:, None], (t < counts)[:, None]
        behind[:, t] = np.where(last, at_end, np.where(inside, found, 0.0))
    return behind


def occupancy(emissions: FloatArray, counts: IntArray, stay: FloatArray) -> FloatArray:
    """Probability of each state at each frame, given the whole sequence ``(n, time, states)``; 0 behind the end, and
    where there is no way at all."""
    ahead, total = forward(emissions, counts, stay)
    total = np.where(total > NO_WAY / 2, total, -NO_WAY)
    shares = np.exp(ahead + backward(emissions, counts, stay) - total[:, None, None])
    inside = np.arange(emissions.shape[1]) < counts[:, None]
    return np.where(inside[:, :, None], shares, 0.0)


def equal_parts(counts: IntArray, n_steps: int, n_states: int) -> IntArray:
    """A first way: each state has the same number of frames ``(n, time)``, -1 behind the end."""
    at = np.arange(n_steps)
    path = at * n_states // np.maximum(counts[:, None], 1)
    return np.where(at < counts[:, None], np.minimum(path, n_states - 1), -1)
