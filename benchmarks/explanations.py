"""Which maps can be trusted: every method over many test pictures of models trained here, with both tests.

    python benchmarks/explanations.py --data FOLDER [--pictures 40] [--only fashion]

FOLDER holds `fashion_mnist/`, `mnist/` (idx files) and `clothing_small.zip`. Per method it prints the maps that passed
and the mean rank correlation with maps of shuffled networks; then the share of maps of noise that pass the deletion
test (5% by chance), the largest defect of completeness, and processor time per picture. Training takes about a minute.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from annvil.bundle import export, save
from annvil.data.splits import inner_splits
from annvil.kinds.pictures.contenders.convolutional_networks import Convolutional
from annvil.kinds.pictures.explanation.deletion import deletions
from annvil.kinds.pictures.explanation.explain import explain_picture
from annvil.kinds.pictures.explanation.galleries import results_of
from annvil.kinds.pictures.explanation.saliency import Saliency
from annvil.kinds.pictures.explanation.subject import open_subject
from annvil.kinds.registry import read
from annvil.models.jobs import Context, Effort, Job

SOURCES = {"fashion": ("fashion_mnist", 8), "mnist": ("mnist", 6), "clothing": ("clothing_small.zip", 4)}
"""Name → source and epochs."""

TRAINED_ON = 6_000


def main() -> None:
    """Train, explain, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--only", choices=SOURCES)
    arguments = parser.parse_args()
    for name, (source, epochs) in SOURCES.items():
        if arguments.only in (None, name):
            measure(name, arguments.data / source, epochs, arguments.pictures)


def measure(name: str, source: Path, epochs: int, n_pictures: int) -> None:
    """One data set: a small network on at most `TRAINED_ON` pictures, maps of others."""
    dataset = read(source)
    random = np.random.default_rng(0)
    rows = random.permutation(dataset.n_rows)
    n_pictures = min(n_pictures, dataset.n_rows // 4)
    learns = np.sort(rows[n_pictures:][:TRAINED_ON])
    job = Job("final", learns, inner_splits(dataset, learns, 5, 0), 0)
    effort = Effort(configuration={"size": "small", "epochs": epochs})
    (fitted,) = Convolutional().fit(dataset, [job], effort, Context(300.0))
    origin = fitted.origin()
    assert origin is not None
    with tempfile.TemporaryDirectory() as folder:
        path = save(
            Path(folder) / "model",
            export(fitted, dataset.inputs.form, dataset.task),
            form=dataset.inputs.form,
            task=dataset.task,
            info={"architecture": dict(origin.architecture)},
            weights=origin.weights,
        )
        subject = open_subject(path)
    tests = np.sort(rows[:n_pictures])
    pixels, y = dataset.inputs.pixels(tests), dataset.y[tests]
    right = float(np.mean(subject.outputs(pixels).argmax(axis=1) == y))
    print(f"\n{name}: {dataset.inputs.form.describe()}, {len(learns):,} pictures; {right:.0%} of {n_pictures} right")
    began, explanations, by_noise = time.process_time(), [], []
    for one in pixels:
        explanations.append(explain_picture(subject, one))
    seconds = (time.process_time() - began) / n_pictures
    for one, explanation in zip(pixels, explanations, strict=True):
        noise = [Saliency("occlusion", random.standard_normal(one.shape[:2])) for _ in range(3)]
        found = deletions(subject.losses(one, explanation.output), one, noise, seed=int(random.integers(1 << 30)))
        by_noise += [deletion.passed for deletion in found]
    for result in results_of(explanations):
        print(
            f"  {result.method:21} {result.trusted:3} of {result.n} passed, alike {result.alike:+.2f}, "
            f"gain {result.gain:.3f} ± {result.gain_error:.3f}: {result.verdict}"
        )
    defects = [
        m.saliency.complete_within for e in explanations for m in e.maps if m.saliency.complete_within is not None
    ]
    print(f"  noise passes {np.mean(by_noise):.1%}; largest defect {max(defects):.1e}; {seconds:.2f} s a picture")


if __name__ == "__main__":
    main()
