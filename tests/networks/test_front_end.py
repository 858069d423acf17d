"""The front end against the same steps in NumPy, clip by clip, with NumPy's Fourier transform and SciPy's cosines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from scipy.fft import dct

from annvil.networks.front_end import FrontEnd
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.onnx.validator import check_graph

CLOSE = 1e-4
RATES = (8_000, 11_025, 16_000)
KINDS: list[Any] = ["log-mel", "cepstra"]

Numbers = NDArray[np.float64]


def features_in_numpy(clip: Numbers, rate: int, kind: str, *, centred: bool = True) -> Numbers:
    """``(features, frames)`` of one clip, from the definitions."""
    window, hop = round(0.032 * rate), round(0.010 * rate)
    emphasised = clip - 0.97 * np.concatenate([[0.0], clip[:-1]])
    emphasised = np.concatenate([emphasised, np.zeros(max(0, window - len(clip)))])
    n_frames = 1 + (len(emphasised) - window) // hop
    frames = np.stack([emphasised[k * hop : k * hop + window] for k in range(n_frames)])
    n_fft = 1 << (window - 1).bit_length()
    power = np.abs(np.fft.rfft(frames * np.hamming(window), n_fft)) ** 2
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(n_fft, 1 / rate) / 700)
    edges = np.linspace(2595 * np.log10(1 + 60 / 700), mel[-1], 42)
    triangles = np.stack([np.interp(mel, edges[band : band + 3], [0, 1, 0], 0, 0) for band in range(40)])
    energies = power @ triangles.T
    found = np.log(energies + 1e-4 * energies.mean() + 1e-10)
    if kind == "cepstra":
        parts = [dct(found, type=2, norm="ortho", axis=1)[:, :13]]
        for _ in range(2):
            wide = np.pad(parts[-1], ((2, 2), (0, 0)), mode="edge")
            parts.append(
                sum(k * (wide[2 + k : 2 + k + n_frames] - wide[2 - k : 2 - k + n_frames]) for k in (1, 2)) / 10
            )
        found = np.concatenate(parts, axis=1)
    return (found - found.mean(axis=0) if centred else found).T


def clips(rate: int, seed: int) -> list[Numbers]:
    """Noise under a tone that rises, of many lengths: shorter than a frame, a frame, a sample more than whole hops."""
    random = np.random.default_rng(seed)
    window, hop = round(0.032 * rate), round(0.010 * rate)
    made = []
    for length in (1, 7, window - 1, window, window + hop - 1, window + hop, window + 3 * hop + 1, rate // 2):
        at = np.arange(length) / rate
        made.append(0.3 * np.sin(2 * np.pi * (200 + 900 * at) * at) + 0.05 * random.standard_normal(length))
    return made


def padded(parts: list[Numbers], behind: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = [len(part) for part in parts]
    samples = np.full((len(parts), max(lengths) + 100), behind, dtype=np.float32)
    for row, part in enumerate(parts):
        samples[row, : len(part)] = part
    return torch.from_numpy(samples), torch.tensor(lengths)


def session_of(front: FrontEnd) -> onnxruntime.InferenceSession:
    graph = Graph()
    raw = graph.input("samples", "float32", ["rows", "time"]), graph.input("lengths", "int64", ["rows"])
    features, frames = export_module(graph, front, *raw, examples=front.examples(), free={0: 1})
    shape = ["rows", front.n_features, "frames"]
    model = graph.finish({"features": (features, "float32", shape), "frames": (frames, "int64", ["rows"])})
    check_graph(model)
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", KINDS)
def test_module_and_graph_give_what_numpy_gives(rate: int, kind: Any) -> None:
    """Batches of clips of all lengths, and one clip alone; what lies behind the end of a clip says nothing."""
    front, parts = FrontEnd(rate, kind), clips(rate, 0)
    session = session_of(front)
    for batch in (parts, parts[-1:], parts[:1]):
        samples, lengths = padded(batch, behind=0.7)
        found, frames = (one.numpy() for one in front(samples, lengths))
        in_graph = session.run(None, {"samples": samples.numpy(), "lengths": lengths.numpy()})
        np.testing.assert_array_equal(in_graph[1], frames)
        np.testing.assert_allclose(in_graph[0], found, atol=CLOSE)
        for row, part in enumerate(batch):
            expected = features_in_numpy(part, rate, kind)
            assert frames[row] == expected.shape[1]
            np.testing.assert_allclose(found[row, :, : frames[row]], expected, atol=CLOSE)
            assert not found[row, :, frames[row] :].any()


def test_a_mean_that_is_not_taken_away_stays() -> None:
    """Without mean removal, too, and with one difference."""
    (clip,) = clips(8_000, 1)[-1:]
    samples, lengths = padded([clip])
    found, frames = FrontEnd(8_000, mean_removal=False)(samples, lengths)
    expected = features_in_numpy(clip, 8_000, "log-mel", centred=False)
    np.testing.assert_allclose(found[0, :, : frames[0]].numpy(), expected, atol=CLOSE)
    both = FrontEnd(8_000, "cepstra", differences=1)(samples, lengths)[0][0, :26, : frames[0]]
    np.testing.assert_allclose(both, features_in_numpy(clip, 8_000, "cepstra")[:26], atol=CLOSE)


def test_of_a_clip_shorter_than_a_frame_nothing_behind_its_end_is_heard() -> None:
    """Its one frame is seen as it is where no mean is taken away."""
    parts = clips(8_000, 3)[1:3]
    samples, lengths = padded(parts, behind=0.7)
    found, _ = FrontEnd(8_000, mean_removal=False)(samples, lengths)
    for row, part in enumerate(parts):
        expected = features_in_numpy(part, 8_000, "log-mel", centred=False)
        np.testing.assert_allclose(found[row, :, :1].numpy(), expected, atol=CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_gain_changes_nothing_and_silence_is_nothing(kind: Any) -> None:
    """Of a clip without mean; and a clip of zeros is finite, all its features 0."""
    front, parts = FrontEnd(8_000, kind), clips(8_000, 2)[3:]
    samples, lengths = padded(parts)
    loud, quiet = front(samples, lengths)[0], front(samples / 50, lengths)[0]
    np.testing.assert_allclose(quiet, loud, atol=1e-2)  # the absolute floor is felt by what is 50 times quieter
    silent = front(torch.zeros(2, 2_000), torch.tensor([2_000, 900]))[0]
    assert silent.abs().max() < CLOSE


@pytest.mark.parametrize("rate", [200, 1_000, 48_000])
def test_other_rates_have_features_too(rate: int) -> None:
    """Also where bands are narrower than the frequencies are apart: every band has one."""
    front = FrontEnd(rate)
    assert (front.bands.sum(dim=1) > 0).all()
    found, frames = front(torch.randn(1, rate, generator=torch.Generator().manual_seed(0)), torch.tensor([rate]))
    assert found.isfinite().all()
    assert int(frames) == 1 + (rate - front.window) // front.hop
    assert found.shape[2] == math.ceil(rate / front.hop)
