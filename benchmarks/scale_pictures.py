"""How time and memory grow from twenty thousand to two hundred thousand pictures.

    python benchmarks/scale_pictures.py [--pictures 20000 200000] [--workers 2] [--epochs 1] [--folder /var/tmp]

Makes JPEGs of 64 × 64 in ten classes (a figure of a class's own shape and size, in any place and colour, on a coloured
ground) in a zip archive with a folder for each class; then, in a fresh process per size: reads them with that many
workers into an empty cache, reads them again, and trains the small convolutional network from the mapped file.

Printed are seconds, and the peak resident memory of the process at the end of each stage: in all, and without the pages
of files, which the system takes back whenever somebody needs them. Workers that decode are processes of their own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

SIDE, CLASSES, TESTED = 64, 10, 2_000


def make_archive(path: Path, n_pictures: int, seed: int = 0) -> None:
    """Write the archive: class ``c`` is a star with ``c + 2`` rays."""
    from PIL import Image

    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(n_pictures):
            label = number % CLASSES
            middle, radius, turn = random.uniform(20, 44, 2), random.uniform(10, 18), random.uniform(0, 2 * np.pi)
            angle = np.arctan2(y - middle[0], x - middle[1])
            edge = radius * (0.65 + 0.35 * np.cos((label + 2) * (angle - turn)))
            inside = np.hypot(y - middle[0], x - middle[1]) < edge
            ground, figure = random.uniform(0, 255, 3), random.uniform(0, 255, 3)
            pixels = np.where(inside[..., None], figure, ground) + random.normal(0, 12, (SIDE, SIDE, 3))
            content = BytesIO()
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=85)
            archive.writestr(f"made/rays-{label + 2}/{number:06}.jpg", content.getvalue())


class Watch:
    """The most memory of this process, in MiB: in all (since its start), and without files (sampled)."""

    def __init__(self) -> None:
        self._own = 0.0
        self._last = time.perf_counter()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self._own = max(self._own, _status("RssAnon"))
            time.sleep(0.02)

    def stage(self) -> dict[str, float]:
        """Seconds since the stage before, and the peaks so far."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return {"s": seconds, "peak": _status("VmHWM"), "own": max(self._own, _status("RssAnon"))}


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"This system does not tell {name}; the benchmark needs Linux.")


def measure(path: Path, workers: int, epochs: int) -> dict[str, Any]:
    """All stages, in this process."""
    from annvil.data.splits import Split
    from annvil.kinds.pictures.contenders.convolutional_family import settings_of, train_alone
    from annvil.kinds.pictures.contenders.sizes import SIZES
    from annvil.kinds.pictures.reading.read_images import read_images
    from annvil.models.jobs import Context
    from annvil.preparation.augmentation import Augmentation

    watch, stages = Watch(), {}
    read_images(path, workers=workers)
    stages["read"] = watch.stage()
    dataset = read_images(path, workers=workers)
    stages["again"] = watch.stage()
    order = np.random.default_rng(0).permutation(dataset.inputs.n_rows)
    split = Split(np.sort(order[TESTED:]), np.sort(order[:TESTED]))
    chosen = {"size": SIZES[0].name, "epochs": epochs}
    settings = settings_of(chosen, dataset.inputs.form, dataset.task, Augmentation())
    with tempfile.TemporaryDirectory() as folder:
        _, trained = train_alone(dataset, split, settings, 0, Context(folder=Path(folder)).begin())
    stages["training"] = watch.stage()
    return {"stages": stages, "accuracy": _accuracy(trained.network, dataset, split.test), "rows": len(split.train)}


def _accuracy(network: Any, dataset: Any, rows: Any) -> float:
    import torch

    right = 0
    with torch.inference_mode():
        for some in np.array_split(rows, 8):
            outputs = network(torch.from_numpy(dataset.inputs.pixels(some)))
            right += int((outputs.argmax(1).numpy() == dataset.y[some]).sum())
    return right / len(rows)


def measure_apart(path: Path, workers: int, epochs: int, cache: Path) -> dict[str, Any]:
    """`measure` in a process of its own with an empty cache."""
    command = [sys.executable, __file__, "--measure", str(path), "--workers", str(workers), "--epochs", str(epochs)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folder", help="where archive and cache are made; default: the system's temporary folder")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure, arguments.workers, arguments.epochs)))
        return
    print("| pictures | zip MB | decoded MB | reading s | again s | training s | pictures/s | accuracy ", end="")
    print("| peak MiB: reading, training | without files' pages |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for n_pictures in arguments.pictures:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
            path = Path(temporary) / "made.zip"
            maker = multiprocessing.get_context("spawn").Process(target=make_archive, args=(path, n_pictures))
            maker.start()
            maker.join()
            found = measure_apart(path, arguments.workers, arguments.epochs, Path(temporary) / "cache")
            size = path.stat().st_size / 1e6
        read, again, training = (found["stages"][name] for name in ("read", "again", "training"))
        print(
            f"| {n_pictures:,} | {size:.0f} | {n_pictures * SIDE * SIDE * 3 / 1e6:,.0f} | {read['s']:.1f} "
            f"| {again['s']:.1f} | {training['s']:.1f} | {found['rows'] * arguments.epochs / training['s']:,.0f} "
            f"| {found['accuracy']:.3f} | {read['peak']:.0f}, {training['peak']:.0f} "
            f"| {read['own']:.0f}, {training['own']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
