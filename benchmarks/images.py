"""Pictures: how good a convolutional network becomes in a minute, in three and in ten; and what `annvil fit` says.

    ANNVIL_DATA=… python benchmarks/images.py --time fashion_mnist 60 180 600    # the network alone, official test set
    ANNVIL_DATA=… python benchmarks/images.py --time mnist 60
    ANNVIL_DATA=… python benchmarks/images.py --peers 60                         # others, in as much time, on clothes
    ANNVIL_DATA=… python benchmarks/images.py --fit sample:digit-images 40s      # the whole of `annvil fit`
    ANNVIL_DATA=… python benchmarks/images.py --fit brain_mri_tumor.zip 3m
    ANNVIL_DATA=… python benchmarks/images.py --affinity fashion_mnist sample:digit-images
    ANNVIL_DATA=… python benchmarks/images.py --speed fashion_mnist              # work a second, each size
    ANNVIL_DATA=… python benchmarks/images.py --study mnist 4000 2m 3m           # dense or convolutional
    … --write                                                                    # appends the lines to RESULTS.md

``--time`` trains `annvil.ImageClassifier(time_budget=seconds)`, the network that `annvil fit` ships, on all training
pictures of the source and scores it once on the source's test pictures. Training time is the wall clock around ``fit``:
calibration, and finding out which changes the pictures bear, are in it. ``--peers`` gives scikit-learn's models and two
well-known small networks in plain PyTorch (the example network of PyTorch's MNIST page; the same with batch norm) the
same wall clock where they can use it.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- images: begin -->", "<!-- images: end -->"


def pictures(name: str) -> tuple[Any, Any, Any, Any]:
    """Training and test pictures uint8 ``(n, height, width, channels)`` and classes, as the source parts them."""
    from annvil.kinds.registry import read

    dataset = read(path_of(name))
    test = dataset.official_test
    if test is None:
        raise SystemExit(f"{name} has no test set of its own; use --fit.")
    return dataset.inputs.pixels(slice(None)), dataset.y, test.inputs.pixels(slice(None)), test.y


def path_of(name: str) -> str:
    """The path of a data set of that name; samples and paths are themselves."""
    if name.startswith("sample:") or Path(name).exists():
        return name
    folder = os.environ.get("ANNVIL_DATA")
    if not folder:
        raise SystemExit("Set ANNVIL_DATA to the folder of real data sets.")
    return str(Path(folder) / "images" / name)


def in_time(name: str, budgets: list[float]) -> Iterator[str]:
    """A line for each budget: seconds used, what was trained, accuracy on the official test set."""
    from annvil import ImageClassifier

    X, y, X_test, y_test = pictures(name)
    for budget in budgets:
        started = time.monotonic()
        model = ImageClassifier(time_budget=budget, random_state=0).fit(X, y)
        seconds = time.monotonic() - started
        accuracy = float((model.predict(X_test) == y_test).mean())
        fitted = model.fitted_
        images = len(X) * int(fitted.configuration["epochs"]) / seconds
        yield (
            f"| {name} | Annvil, {budget:g} s asked | {seconds:.0f} | {accuracy:.2%} | {fitted.summary}; "
            f"{fitted.n_parameters:,} parameters; {images:,.0f} pictures/s, all in all |"
        )


def peers(name: str, budget: float) -> Iterator[str]:
    """A line for each model of others."""
    X, y, X_test, y_test = pictures(name)
    flat, flat_test = (values.reshape(len(values), -1) / 255.0 for values in (X, X_test))
    for title, train in (*simple(budget), *plain_networks(budget)):
        started = time.monotonic()
        predict = train(flat, y) if "PyTorch" not in title else train(X, y)
        seconds = time.monotonic() - started
        accuracy = float((predict(flat_test if "PyTorch" not in title else X_test) == y_test).mean())
        yield f"| {name} | {title} | {seconds:.0f} | {accuracy:.2%} | |"


Train = Callable[[Any, Any], Callable[[Any], Any]]


def simple(budget: float) -> Iterator[tuple[str, Train]]:
    """scikit-learn's; those that do not know the clock are sized to take about as long on two cores."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    def fitted(model: Any, rows: int | None = None) -> Train:
        def train(X: Any, y: Any) -> Callable[[Any], Any]:
            chosen = np.random.default_rng(0).permutation(len(X))[:rows]
            return model.fit(X[chosen], y[chosen]).predict  # type: ignore[no-any-return]

        return train

    trees = HistGradientBoostingClassifier(max_iter=int(budget), early_stopping=False, random_state=0)
    yield "scikit-learn, logistic regression", fitted(LogisticRegression(max_iter=int(2 * budget), tol=1e-2))
    yield "scikit-learn, boosted trees", fitted(trees)
    yield (
        "scikit-learn, MLP 256-128",
        fitted(MLPClassifier((256, 128), max_iter=max(1, int(budget / 6)), random_state=0)),
    )
    yield "scikit-learn, RBF SVM on 15 000", fitted(SVC(C=10, gamma="scale"), 15_000)


def plain_networks(budget: float) -> Iterator[tuple[str, Train]]:
    """Two networks as introductions write them, trained by a plain loop until the time is over."""
    from torch import nn

    def example(channels: int) -> nn.Module:
        first = [nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
        head = [nn.Dropout(0.25), nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
        return nn.Sequential(*first, *head)

    def normed(channels: int) -> nn.Module:
        layers: list[nn.Module] = []
        for width in (32, 64, 128):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            channels = width
        return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))

    yield "PyTorch, network of its MNIST example", loop(example, budget)
    yield "PyTorch, 32-64-128 with batch norm", loop(normed, budget)


def loop(make: Callable[[int], Any], budget: float) -> Train:
    """Adam at 1e-3 with a batch of 64, as the introductions have it."""
    import torch

    def train(X: Any, y: Any) -> Callable[[Any], Any]:
        torch.manual_seed(0)
        network = make(X.shape[3])
        inputs = (torch.from_numpy(X).permute(0, 3, 1, 2).float() / 255 - 0.3) / 0.35
        targets = torch.from_numpy(np.asarray(y)).long()
        network(inputs[:2])
        optimiser = torch.optim.Adam(network.parameters(), 1e-3)
        ends = time.monotonic() + budget
        while time.monotonic() < ends:
            for rows in torch.randperm(len(inputs)).split(64):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(network(inputs[rows]), targets[rows]).backward()
                optimiser.step()
                if time.monotonic() >= ends:
                    break
        network.eval()

        def predict(pixels: Any) -> Any:
            with torch.no_grad():
                values = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.3) / 0.35
                return torch.cat([network(part) for part in values.split(1000)]).argmax(1).numpy()

        return predict

    return train


def fit(name: str, budget: str) -> Iterator[str]:
    """What `annvil fit` says of a data set, and how long it took."""
    import annvil

    groups = "duplicate_group" if "brain" in name else None
    started = time.monotonic()
    run = annvil.fit(path_of(name), budget=budget, groups=groups)
    seconds = time.monotonic() - started
    metric = run.comparison.metric
    yield f"\n`annvil fit {name}{f' --groups {groups}' if groups else ''} --budget {budget}`: {seconds:.0f} s."
    yield f"**{run.verdict.kind}**: {' '.join(run.verdict.sentences)}\n"
    yield f"| contender | {metric} | spread | seconds a fit | parameters |"
    yield "|---|--:|--:|--:|--:|"
    for row in run.scores:
        if metric in row:
            score, spread = row[metric], row[f"{metric}_spread"]
            seconds, parameters = row.get("fit_seconds", 0.0), row.get("n_parameters", "")
            yield f"| {row['title']} | {score:.3f} | {spread:.3f} | {seconds:.1f} | {parameters} |"
    yield from (f"- {notice}" for notice in run.comparison.notices)


def study(name: str, rows: int, budget: str, study_budget: str) -> Iterator[str]:
    """The dense-against-convolutional table of a fit of some of the training pictures."""
    import annvil

    X, y, _, _ = pictures(name)
    chosen = np.random.default_rng(0).permutation(len(X))[:rows]
    run = annvil.fit((X[chosen], y[chosen]), budget=budget)
    found = run.study("dense-vs-cnn", study_budget)
    yield f"\n{rows:,} pictures of {name}, fit {budget}, study {study_budget} ({found.spent_seconds:.0f} s):\n"
    yield "| | dense | convolutional | what it means |"
    yield "|---|---|---|---|"
    yield from (f"| {row.what} | {row.dense} | {row.convolutional} | {row.sentence} |" for row in found.findings)
    yield from (f"- {sentence}" for sentence in (*found.remarks, *found.left_out))


def affinity(names: list[str]) -> Iterator[str]:
    """What a network that has seen no changed pictures still tells of them, by change."""
    from annvil.data.splits import Split
    from annvil.kinds.pictures.contenders.invariance import measure_affinities
    from annvil.kinds.pictures.contenders.sizes import SIZES, architecture_for
    from annvil.kinds.registry import read
    from annvil.models.jobs import Context

    for name in names:
        dataset = read(path_of(name))
        rows = Split(np.arange(dataset.n_rows), np.arange(0))
        small = architecture_for(dataset.inputs.form, dataset.task.n_outputs, SIZES[0])
        yield f"- {name}: {measure_affinities(dataset, rows, small, 0, Context().begin()).describe()}"


def speed(name: str) -> Iterator[str]:
    """Pictures and work a second of each size, as `annvil.kinds.pictures.contenders.throughput` measures them."""
    from annvil.kinds.pictures.contenders.sizes import SIZES, architecture_for, work_of
    from annvil.kinds.pictures.contenders.throughput import work_per_second
    from annvil.kinds.registry import read

    dataset = read(path_of(name))
    for size in SIZES:
        work = work_of(architecture_for(dataset.inputs.form, dataset.task.n_outputs, size))
        rate = work_per_second(dataset, np.arange(dataset.n_rows), size, 0)
        yield (
            f"- {size.name}: too few pictures"
            if rate is None
            else (f"- {size.name}: {rate / work:,.0f} pictures/s, work {rate:.2e} a second")
        )


def about() -> str:
    """Machine and versions."""
    names = ("torch", "scikit-learn", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores, {platform.machine()}; {versions}."


def main() -> None:
    """Measure what was asked for, print it, and keep it if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", nargs="+", metavar=("DATA", "SECONDS"))
    parser.add_argument("--peers", type=float, metavar="SECONDS")
    parser.add_argument("--fit", nargs=2, metavar=("DATA", "BUDGET"))
    parser.add_argument("--affinity", nargs="+", metavar="DATA")
    parser.add_argument("--speed", metavar="DATA")
    parser.add_argument("--study", nargs=4, metavar=("DATA", "ROWS", "BUDGET", "STUDY_BUDGET"))
    parser.add_argument("--write", action="store_true", help="append what is printed to RESULTS.md")
    asked = parser.parse_args()
    head = "| pictures | model | seconds | accuracy, official test set | |\n|---|---|--:|--:|---|"
    lines = [f"\n{about()}\n"]
    if asked.time:
        lines += [head, *_printed(in_time(asked.time[0], [float(seconds) for seconds in asked.time[1:]]))]
    if asked.peers:
        lines += [head, *_printed(peers("fashion_mnist", asked.peers))]
    if asked.fit:
        lines += _printed(fit(*asked.fit))
    if asked.affinity:
        lines += _printed(affinity(asked.affinity))
    if asked.speed:
        lines += _printed(speed(asked.speed))
    if asked.study:
        lines += _printed(study(asked.study[0], int(asked.study[1]), *asked.study[2:]))
    if asked.write:
        _append("\n".join(lines))


def _printed(lines: Iterator[str]) -> list[str]:
    found = []
    for line in lines:
        print(line, flush=True)
        found.append(line)
    return found


def _append(text: str) -> None:
    before, end, after = RESULTS.read_text(encoding="utf-8").partition(END)
    if not end or BEGIN not in before:
        raise SystemExit(f"{RESULTS} has no lines {BEGIN} and {END}.")
    RESULTS.write_text(f"{before.rstrip()}\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
