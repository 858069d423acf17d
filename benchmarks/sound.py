"""Contenders on spoken digits: the official split, where speakers are shared, beside speakers who are left out.

    export ANNVIL_DATA=<folder with catalogue.json and audio/fsdd.zip>
    python benchmarks/sound.py [--contenders cepstra-support-vectors …] [--inner 1] [--candidates 1] [--scale 1.0]
    python benchmarks/sound.py --leave-out george nicolas     # only these; --leave-out none: the official split alone
    python benchmarks/sound.py --speed                        # clips a second beside a plain loop; milliseconds a clip

Each fit has inner splits that keep speakers apart, ``--inner`` of them at most. Seconds are of one processor core.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import time
import wave
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.sound.contenders.registry import contenders_for_sound
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.models.jobs import Context, Effort, Job
from annvil.tasks.union import make_task

RATE = 8_000
SPED = 640
"""Clips of the comparison with a plain loop, each passed over four times."""


def digits() -> tuple[Dataset[Any], np.ndarray, np.ndarray]:
    """All clips, the name of who speaks each, and whether it is of the official test."""
    archive = zipfile.ZipFile(Path(os.environ["ANNVIL_DATA"]) / "audio" / "fsdd.zip")
    name = next(one for one in archive.namelist() if one.endswith("labels.csv"))
    rows = list(csv.DictReader(io.StringIO(archive.read(name).decode())))
    samples = []
    for row in rows:
        with wave.open(io.BytesIO(archive.read(name.removesuffix("labels.csv") + row["path"]))) as file:
            numbers = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        samples.append((numbers / 32_768).astype(np.float32))
    who = np.array([row["speaker"] for row in rows])
    y = np.array([int(row["label"]) for row in rows], dtype=np.int64)
    task = make_task("multiclass", "digit", tuple(map(str, range(10))))
    groups = np.unique(who, return_inverse=True)[1].astype(np.int64)
    return (
        Dataset(clips_from_arrays(samples, RATE), y, task, groups),
        who,
        np.array([r["split"] == "test" for r in rows]),
    )


def job_of(dataset: Dataset[Any], rows: np.ndarray, inner: int) -> Job:
    """A job whose inner splits leave one speaker out each."""
    groups = dataset.groups[rows]
    splits = (Split(rows[groups != one], rows[groups == one]) for one in np.unique(groups)[:inner])
    return Job("benchmark", rows, tuple(splits), 0)


def score(
    dataset: Dataset[Any], contender: Any, train: np.ndarray, test: np.ndarray, asked: Any
) -> tuple[float, float]:
    """Accuracy on other clips, and processor seconds of the fit."""
    began = time.process_time()
    effort = Effort(asked.candidates, asked.scale, inner_folds=asked.inner)
    (fitted,) = contender.fit(dataset, [job_of(dataset, train, asked.inner)], effort, Context(threads=1))
    took = time.process_time() - began
    said = fitted.predict(dataset.inputs.take(test)).argmax(axis=1)
    return float((said == dataset.y[test]).mean()), took


def speed(dataset: Dataset[Any]) -> dict[str, float]:
    """Clips a second of the same network, changed the same way: the engine's population of four, and PyTorch alone."""
    import torch

    from annvil.data.batch_transform import Moment
    from annvil.kinds.sound.contenders.member import N_BANDS
    from annvil.kinds.sound.contenders.sound_family import AUGMENTATIONS, energies_of
    from annvil.networks.front_end import band_centres
    from annvil.networks.sound import SoundArchitecture, SoundNetwork
    from annvil.preparation.augment_sound import SoundChanges
    from annvil.training import Member, Recipe, train_population

    torch.set_num_threads(1)
    rows = np.random.default_rng(0).permutation(dataset.n_rows)[:SPED]
    inputs = energies_of(dataset.inputs.take(rows))
    y = torch.from_numpy(dataset.y[rows])
    changes = SoundChanges(AUGMENTATIONS["strong"], band_centres(N_BANDS, RATE))

    def network(seed: int) -> SoundNetwork:
        made = SoundNetwork(SoundArchitecture(N_BANDS, 10), 0.3)
        made.initialise(torch.Generator().manual_seed(seed))
        made.look_at(*inputs)
        return made

    everything = np.arange(SPED)
    members = [Member(everything, everything[:0], seed, learning_rate=3e-3) for seed in range(4)]
    found = {}
    for epochs in (1, 5):  # what is recorded and allocated once is not counted
        recipe = Recipe(epochs=epochs, batch_size=64, clip_norm=1.0, keep="last", threads=1)
        began = time.process_time()
        train_population(lambda m: network(m.seed), inputs, y, members, recipe, "cross-entropy", augment=changes)
        found[epochs] = time.process_time() - began
    ours = 4 * 4 * SPED / (found[5] - found[1])
    alone = network(0).train()
    optimizer = torch.optim.AdamW(alone.parameters(), lr=3e-3)
    began = time.process_time()
    for epoch in range(4):
        for step, part in enumerate(torch.randperm(SPED).split(64)):
            batch = [inputs[0][part][None].clone(), inputs[1][part][None].clone()]
            changes(batch, part[None], Moment((0,), epoch, step, 4))
            loss = torch.nn.functional.cross_entropy(alone(batch[0][0], batch[1][0]), y[part])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(alone.parameters(), 1.0)
            optimizer.step()
    plain = 4 * SPED / (time.process_time() - began)
    return {"engine_clips_per_s": ours, "plain_clips_per_s": plain, "times": ours / plain, **latency(network(0))}


def latency(network: Any) -> dict[str, float]:
    """Milliseconds of processor time for one second of sound through front end and network in onnxruntime."""
    import onnxruntime

    from annvil.kinds.sound.contenders.member import LogMel, SoundBag
    from annvil.onnx.builder import Graph

    graph = Graph()
    raw = graph.input("samples", "float32", ["rows", "time"]), graph.input("lengths", "int64", ["rows"])
    output = SoundBag(LogMel(RATE), (network.eval(),), (1.0,), None).write(graph, *raw)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = graph.finish({"outputs": (output, "float64", ["rows", 10])})
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    samples = 0.1 * np.random.default_rng(0).normal(size=(1, RATE)).astype(np.float32)
    feed = {"samples": samples.astype(np.float32), "lengths": np.array([RATE])}
    took = []
    for _ in range(100):
        began = time.process_time()
        session.run(None, feed)
        took.append(1000 * (time.process_time() - began))
    return {"ms_per_second_of_sound": float(np.median(took))}


def main() -> None:
    """Print a line of JSON for each result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="*")
    parser.add_argument("--leave-out", nargs="*")
    parser.add_argument("--inner", type=int, default=1)
    parser.add_argument("--candidates", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--speed", action="store_true")
    asked = parser.parse_args()
    dataset, who, tested = digits()
    if asked.speed:
        print(json.dumps(speed(dataset)))
        return
    left_out = sorted(set(who)) if asked.leave_out is None else [one for one in asked.leave_out if one != "none"]
    for contender in contenders_for_sound():
        if contender.name == "dummy" or (asked.contenders and contender.name not in asked.contenders):
            continue
        parts = [("official", np.flatnonzero(~tested), np.flatnonzero(tested))]
        parts += [(one, np.flatnonzero(who != one), np.flatnonzero(who == one)) for one in left_out]
        for part, train, test in parts:
            accuracy, seconds = score(dataset, contender, train, test, asked)
            told = {"contender": contender.name, "test": part, "accuracy": accuracy, "core_seconds": seconds}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
