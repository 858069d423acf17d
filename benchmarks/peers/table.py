"""Who runs on which work, and what Annvil wants to reach there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from peers.works import Work

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
ONE_AND_ALL = tuple(sorted({1, CORES}))


@dataclass(frozen=True, eq=False)
class Runner:
    """A trainer as it runs on a work.

    ``homes`` maps a number of threads to the process it runs in; with ``second`` another process runs the same at the
    same time, and their speeds are added. 0 threads: it chooses itself.
    """

    name: str
    function: str
    homes: Mapping[int, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    second: str = ""
    role: Literal["annvil", "peer", "beside", "peak"] = "peer"


@dataclass(frozen=True)
class Goal:
    """``ours`` at least ``factor`` times ``against`` (a name, or the best of all peers in one process).

    With ``of_peak``, ``against`` is a matrix product and ours counts its floating-point operations. Without ``factor``
    the ratio is shown, and nothing asked of it.
    """

    ours: str
    factor: float | None
    against: str = "the best peer"
    of_peak: bool = False


@dataclass(frozen=True)
class Entry:
    """A row of the table of goals."""

    work: Work
    runners: tuple[Runner, ...]
    goals: tuple[Goal, ...]


def _torch(name: str, function: str, **options: Any) -> Runner:
    role: Literal["beside", "peer"] = "beside" if options.get("bfloat16") else "peer"
    return Runner(name, function, dict.fromkeys(ONE_AND_ALL, "torch"), options, role=role)


def _twice(runner: Runner) -> Runner:
    """The same in two processes on one thread each, each with half of the members."""
    options = {**runner.options, "share": 0.5}
    return replace(
        runner,
        name=f"{runner.name}, two processes",
        homes={1: "torch"},
        options=options,
        second="torch, second process",
        role="beside",
    )


def _annvil(name: str = "Annvil", function: str = "peers.ours:population", **options: Any) -> Runner:
    return Runner(name, function, {0: "annvil"}, options, role="annvil")


PYTORCH = _torch("plain PyTorch loop", "peers.single:plain_pytorch")
BFLOAT16 = _torch("plain PyTorch loop, bfloat16 autocast", "peers.single:plain_pytorch", bfloat16=True)
SCIKIT_LEARN = _torch("scikit-learn MLPClassifier", "peers.single:scikit_learn")
SKORCH = _torch("skorch", "peers.single:skorch")
LIGHTNING = _torch("Lightning", "peers.single:lightning")
KERAS_TORCH = Runner("Keras fit on torch", "peers.keras_fit:fit", dict.fromkeys(ONE_AND_ALL, "keras on torch"))
KERAS_JAX = Runner("Keras fit on JAX", "peers.keras_fit:fit", {1: "keras on jax, 1 thread"} | {CORES: "keras on jax"})
LAYERS = _torch("tabm package, packed layers", "peers.packed:tabm_layers")
LAYERS_NARROW = _torch("tabm package, packed layers, bfloat16 autocast", "peers.packed:tabm_layers", bfloat16=True)
REAL_MLP = _torch("pytabkit RealMLP-TD-S, vectorised", "peers.packed:real_mlp")
PEAK = Runner("matrix product 2048³", "peers.single:matrix_product", dict.fromkeys(ONE_AND_ALL, "torch"), role="peak")
PEAK_NARROW = replace(PEAK, name="matrix product 2048³, bfloat16", options={"bfloat16": True})

ALL = (SCIKIT_LEARN, KERAS_TORCH, KERAS_JAX, PYTORCH, SKORCH, LIGHTNING)
FLOAT32 = _annvil("Annvil, float32", precision="float32")
NARROW = _annvil("Annvil, bfloat16", precision="bfloat16")

SMALL = Work("small-mlp", "MLP 20-64-64-2, batch 32, one network", "dense", (20,), (64, 64), 2, 6400, 32)
MEMBERS_32 = replace(SMALL, name="members-32", title="64 members of 20-64-64-2, batch 32", members=64)
MEMBERS_256 = replace(MEMBERS_32, name="members-256", title="64 members of 20-64-64-2, batch 256", batch=256)
WIDE = Work("wide-members", "16 members of 20-256-256-2, batch 256", "dense", (20,), (256, 256), 2, 6400, 256, 16)
CANDIDATES = Work(
    "candidates", "8 of 64 candidates × 8 folds of 20-256-256-256-2, batch 256", "dense", (20,), (256,) * 3, 2, 5000,
    256, 64,
)  # fmt: skip
MIDDLE = Work("mlp-784", "MLP 784-256-128-10, batch 128", "dense", (784,), (256, 128), 10, 6400, 128)
LARGE = Work("mlp-1024", "MLP 784-1024-1024-10, batch 256", "dense", (784,), (1024, 1024), 10, 2560, 256)
SHARED = Work("tabm", "TabM: 32 members that share 3 × 512, batch 256", "tabm", (20,), (512,) * 3, 2, 1024, 256)
IMAGES = Work("cnn", "CNN 28×28, 32-64-128, batch 128", "image", (1, 28, 28), (32, 64, 128), 10, 640, 128)
LSTM = Work("lstm", "LSTM 100×13 → 64, batch 64", "lstm", (100, 13), (64,), 10, 640, 64)
GRU = replace(LSTM, name="gru", title="GRU 100×13 → 64, batch 64", kind="gru")
KERAS = replace(SMALL, name="keras-model", title="A Keras model (20-64-64-2, batch 32) through annvil.train")

ENTRIES: tuple[Entry, ...] = (
    Entry(SMALL, (_annvil(), _annvil("annvil.train", "peers.ours:one_line"), *ALL), (Goal("Annvil", 2.5),)),
    Entry(MEMBERS_32, (_annvil(), LAYERS, _twice(LAYERS), REAL_MLP, PYTORCH), (Goal("Annvil", 2.0),)),
    Entry(MEMBERS_256, (_annvil(), LAYERS, _twice(LAYERS), REAL_MLP, PYTORCH), (Goal("Annvil", 2.5),)),
    Entry(
        WIDE,
        (_annvil(), FLOAT32, LAYERS, LAYERS_NARROW, _twice(LAYERS), REAL_MLP, PYTORCH),
        (Goal("Annvil", 4.0),),
    ),
    Entry(
        CANDIDATES,
        (
            _annvil(folds=8),
            _torch("pytabkit RealMLP-TD-S, one candidate after another", "peers.packed:real_mlp", folds=8),
            replace(_twice(REAL_MLP), name="the same, two processes", options={"folds": 8}),
        ),
        (Goal("Annvil", 5.0, "pytabkit RealMLP-TD-S, one candidate after another"),),
    ),
    Entry(
        MIDDLE,
        (_annvil(), FLOAT32, *ALL, BFLOAT16, PEAK),
        (Goal("Annvil", 1.5), Goal("Annvil, float32", 0.55, PEAK.name, True), Goal("Annvil", 1.0, PEAK.name, True)),
    ),
    Entry(
        LARGE,
        (NARROW, FLOAT32, *ALL, BFLOAT16, PEAK, PEAK_NARROW),
        (
            Goal("Annvil, float32", 0.6, PEAK.name, True),
            Goal("Annvil, bfloat16", 2.5, "Annvil, float32"),
            Goal("Annvil, bfloat16", None, PEAK_NARROW.name, True),
        ),
    ),
    Entry(
        SHARED,
        (
            _annvil(),
            FLOAT32,
            _annvil("Annvil, the package's own module", "peers.ours:tabm_itself"),
            _torch("tabm package, float32", "peers.packed:tabm_model"),
            _torch("tabm package, bfloat16 autocast", "peers.packed:tabm_model", bfloat16=True),
            _torch("pytabkit TabM", "peers.packed:pytabkit_tabm"),
        ),
        (Goal("Annvil", 3.0),),
    ),
    Entry(
        IMAGES,
        (
            _annvil(),
            PYTORCH,
            _torch("plain PyTorch loop, channels last", "peers.single:plain_pytorch", channels_last=True),
            _torch(
                "plain PyTorch loop, channels last, bfloat16 autocast",
                "peers.single:plain_pytorch",
                channels_last=True,
                bfloat16=True,
            ),
            KERAS_TORCH,
            KERAS_JAX,
            SKORCH,
            LIGHTNING,
            PEAK_NARROW,
        ),
        (
            Goal("Annvil", 2.5, PYTORCH.name),
            Goal("Annvil", 2.0),
            Goal("Annvil", None, PEAK_NARROW.name, True),
        ),
    ),
    Entry(
        LSTM,
        (_annvil(), PYTORCH, KERAS_TORCH, KERAS_JAX),
        (Goal("Annvil", 1.0, PYTORCH.name), Goal("Annvil", 5.0, KERAS_TORCH.name)),
    ),
    Entry(
        GRU,
        (_annvil(), PYTORCH, KERAS_TORCH, KERAS_JAX),
        (Goal("Annvil", 1.0, PYTORCH.name), Goal("Annvil", 5.0, KERAS_TORCH.name)),
    ),
    Entry(
        KERAS,
        (_annvil("annvil.train", "peers.ours:keras_model"), KERAS_TORCH, KERAS_JAX),
        (Goal("annvil.train", 8.0, KERAS_TORCH.name), Goal("annvil.train", 2.0, KERAS_JAX.name)),
    ),
)
