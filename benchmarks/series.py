"""Contenders on published sets of series, each alone: accuracy on the official test part, seconds; aeon beside them.

    export ANNVIL_DATA=<folder with catalogue.json and series/>
    python benchmarks/series.py [--sets gun_point …] [--contenders hydra …] [--seconds 5] [--seeds 3]
    python benchmarks/series.py --peers-python <python of an environment with aeon>
    python benchmarks/series.py --long 100000 1000000     # features of one long series: seconds, memory beside it

One fit on the official training part, on the highest rung of a contender's ladder that is expected to take no longer
than ``--seconds`` (six times that for hapt_har, whose training part is fifteen times the next one's); then the official
test part is predicted. Seconds are wall clock of both, and processor time of ours, all threads.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from peers.series_data import SETS, loaded

HERE = Path(__file__).parent
PEERS = ("rocket-hydra", "minirocket", "hydra", "catch22-trees", "1nn-dtw")
LARGE = "hapt_har"


def ours(name: str, contender: str, seconds: float, seed: int) -> dict[str, Any]:
    """Accuracy and time of one contender, by the words of `annvil.models.jobs`."""
    from annvil.data.dataset import Dataset
    from annvil.data.splits import inner_splits
    from annvil.kinds.series.contenders.registry import contenders_for_series
    from annvil.kinds.series.kind import KIND
    from annvil.kinds.series.reading.arrays import series_from_arrays
    from annvil.models.jobs import Context, Job
    from annvil.models.ladder import rung_within
    from annvil.tasks.union import make_task

    data = loaded(name)
    (train, labels), (test, truth) = data["train"], data["test"]
    classes, y = np.unique(labels, return_inverse=True)
    groups = np.arange(len(y)) if data["groups"] is None else np.unique(data["groups"], return_inverse=True)[1]
    task = make_task("binary" if len(classes) == 2 else "multiclass", "label", tuple(classes.tolist()))
    dataset = Dataset(series_from_arrays(train), y.astype(np.int64), task, groups.astype(np.int64))
    chosen = next(one for one in contenders_for_series() if one.name == contender)
    shape = KIND.problem(dataset).shape(len(y))
    declined = chosen.declines(shape)
    if declined is not None:
        return {"declines": declined}
    rung = rung_within(chosen.ladder(shape), seconds)
    rows = np.arange(len(y))
    started, cores = time.perf_counter(), time.process_time()
    job = Job("benchmark", rows, inner_splits(dataset, rows, rung.effort.inner_folds, seed), seed)
    (fitted,) = chosen.fit(dataset, [job], rung.effort, Context())
    fit_seconds = time.perf_counter() - started
    outputs = fitted.predict(series_from_arrays(test, dataset.inputs.form))
    total = time.perf_counter() - started
    right = classes[outputs.argmax(axis=1)] == truth
    own = outputs[np.arange(len(truth)), np.searchsorted(classes, truth)]
    loss = float(-np.log(np.clip(own, 1e-7, 1)).mean())
    told = {"accuracy": float(right.mean()), "log_loss": loss, "fit": fit_seconds, "seconds": total}
    told["cores"] = time.process_time() - cores
    return told | {"what": rung.what, "expected": rung.core_seconds, "summary": fitted.summary}


def theirs(python: str, name: str, tool: str, seed: int) -> dict[str, Any]:
    """The same of a peer, in its own environment."""
    command = [python, str(HERE / "peers" / "series.py"), tool, name, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"declines": done.stderr.strip().splitlines()[-1]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def features_of_one(who: str, n_steps: int) -> None:
    """Processor seconds and memory beside the data, for features of one series of one channel, after a short one."""
    import torch

    from annvil.kinds.series.contenders.features import SummaryFeatures
    from annvil.kinds.series.contenders.hydra import Hydra
    from annvil.kinds.series.contenders.kernels import MiniRocket

    def features(series: Any) -> Any:
        values, lengths = map(torch.from_numpy, series.padded())
        if who == "summary":
            return SummaryFeatures.choose(series.form, 1).of(series)
        kernels = Hydra(1, n_steps, 16, 0) if who == "hydra" else MiniRocket(1, n_steps, 2_500, 0)
        kernels.grid.input.look_at(values, lengths)
        kernels.look_at(values, lengths, 0)
        with torch.inference_mode():
            return kernels.in_pieces(values, lengths)

    from annvil.kinds.series.reading.arrays import series_from_arrays

    torch.set_num_threads(1)
    walk = np.random.default_rng(0).normal(size=(1, n_steps)).cumsum(axis=1).astype(np.float32)
    features(series_from_arrays([walk[:, :1000]]))
    series = series_from_arrays([walk])
    before, cores = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    features(series)
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"| {n_steps:,} steps | {who} | {time.process_time() - cores:.1f} | {megabytes:.0f} |")


def told(name: str, who: str, runs: list[dict[str, Any]]) -> str:
    """One line of the table."""
    if "declines" in runs[0]:
        return f"| {name} | {who} | – | – | – | – | {runs[0]['declines']} |"
    means = {key: np.mean([run[key] for run in runs]) for key in ("accuracy", "seconds")}
    accuracies = [run["accuracy"] for run in runs]
    spread = f" ({min(accuracies):.3f}–{max(accuracies):.3f})" if len(runs) > 1 else ""
    loss = "–" if "log_loss" not in runs[0] else f"{np.mean([run['log_loss'] for run in runs]):.3f}"
    cores = "–" if "cores" not in runs[0] else f"{np.mean([run['cores'] for run in runs]):.1f}"
    numbers = f"{means['accuracy']:.3f}{spread} | {loss} | {means['seconds']:.1f} | {cores}"
    return f"| {name} | {who} | {numbers} | {runs[0]['what']} |"


def main() -> None:
    """Parse, measure, print."""
    from annvil.kinds.series.contenders.registry import contenders_for_series

    everyone = [one.name for one in contenders_for_series()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--contenders", nargs="*", default=everyone, choices=everyone)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--peers-python", help="an environment with aeon; without it no peers run")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--long", type=int, nargs="*", metavar="STEPS", help="features of one series of so many steps")
    parser.add_argument("--one-long", nargs=2, metavar=("WHO", "STEPS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_long:
        features_of_one(arguments.one_long[0], int(arguments.one_long[1]))
        return
    if arguments.long:
        print("| one series | features | core seconds | MB beside it |\n|---|---|--:|--:|", flush=True)
        for who, n_steps in product(("summary", "hydra", "minirocket"), arguments.long):
            subprocess.run([sys.executable, __file__, "--one-long", who, str(n_steps)], check=True)
        return
    print(
        "| set | who | accuracy | log-loss | seconds | core seconds | what |\n|---|---|--:|--:|--:|--:|---|", flush=True
    )
    for name in arguments.sets:
        seconds = arguments.seconds * (6 if name == LARGE else 1)
        for contender in arguments.contenders:
            runs = [ours(name, contender, seconds, seed) for seed in range(arguments.seeds)]
            print(told(name, contender, runs), flush=True)
        for tool in arguments.peers if arguments.peers_python else ():
            runs = [theirs(arguments.peers_python, name, tool, seed) for seed in range(arguments.seeds)]
            print(told(name, f"aeon: {tool}", runs), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main()
