"""Where the time of one training step goes: every operation of the recorded program, as it runs among the others.

    python benchmarks/step.py cnn bfloat16        # or mlp, or shared: a weight-shared ensemble; or float32

One thread; the median of ten passes in processor time, so that other programs count less. The last line is the whole
step and its arithmetic: multiplications and additions of products and convolutions a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import Tensor, nn

from annvil.networks import SharedEnsemble
from annvil.training import Member, Recipe
from annvil.training.graph.nodes import CONVOLUTIONS, PRODUCTS, multiplications
from annvil.training.loop.bound_step import Workspace
from annvil.training.loop.engine import _check
from annvil.training.loop.execution import choose as choose_execution
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.pack import Pack
from annvil.training.system.allocator import freed_memory_kept

PASSES = 10


def cnn() -> nn.Module:
    """28 × 28: 32 and 64 channels, pooled, 128 units."""
    first = nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    second = nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))


def mlp() -> nn.Module:
    """784-1024-1024-10."""
    return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


def shared() -> nn.Module:
    """32 members of 3 × 512 around shared weights."""
    return SharedEnsemble(20, (), 10, torch.Generator().manual_seed(0), k=32, widths=(512, 512, 512))


NETWORKS = {"cnn": (cnn, (1, 28, 28), 128), "mlp": (mlp, (784,), 256), "shared": (shared, (20,), 256)}


def job_of(name: str, precision: str) -> TrainingJob:
    make, shape, batch = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    inputs: tuple[Tensor, ...] = (torch.randn(4 * batch, *shape, generator=generator),)
    if name == "shared":
        inputs = (*inputs, torch.zeros(4 * batch, 0, dtype=torch.int64))
    member = Member(np.arange(4 * batch), np.arange(0), 0, dropout=0.1 if name == "shared" else None)
    targets = torch.randint(0, 10, (4 * batch,), generator=generator)
    recipe = Recipe(1, batch_size=batch, precision=precision)  # type: ignore[arg-type]
    job, _ = choose_execution(_check(lambda _: make(), inputs, targets, [member], recipe, "cross-entropy", None))
    return job.changed(bfloat16=precision == "bfloat16")


def arithmetic(job: TrainingJob, batch: int) -> float:
    """Floating-point operations of the recorded step's products and convolutions."""
    total = 0.0
    for node in job.recorded(1, batch, True, ()).trace.nodes:
        if node.op in PRODUCTS:
            total += 2 * node.form.size * node.args[-1].form.shape[-2]
        elif node.op in CONVOLUTIONS:
            gradients = sum(node.args[-1][:2]) if node.op is CONVOLUTIONS[1] else 1
            total += 2 * gradients * multiplications(node)
    return total


def described(call: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> str:
    operation, args, _ = call
    flat = [part for arg in args for part in (arg if isinstance(arg, list | tuple) else (arg,))]
    shapes = [f"{tuple(t.shape)}:{str(t.dtype)[6:]}" for t in flat if isinstance(t, Tensor)]
    inner = next((str(part) for part in args if hasattr(part, "_schema")), "")
    return f"{inner or getattr(operation, '__name__', operation)} {' '.join(shapes)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("precision", choices=["float32", "bfloat16"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    job = job_of(asked.network, asked.precision)
    pack = Pack(job, [0], *job.layout.stack([job.network]), Workspace())
    with torch.no_grad(), freed_memory_kept():
        pack.begin_epoch(0)
        pack.run_steps(0, 2)
        (bound,) = pack.gradients.runners[0].bound.values()
        calls = bound.program.instructions  # type: ignore[attr-defined]
        seconds: list[list[float]] = [[] for _ in calls]
        for _ in range(PASSES):
            for (operation, args, kwargs), own in zip(calls, seconds, strict=True):
                start = time.thread_time()
                operation(*args, **kwargs)
                own.append(time.thread_time() - start)
    medians = [statistics.median(own) for own in seconds]
    for call, median in zip(calls, medians, strict=True):
        if median > 2e-5:
            print(f"{1e3 * median:8.3f} ms  {described(call)}")
    flops = arithmetic(job, pack.shape.batch)
    print(f"{1e3 * sum(medians):8.3f} ms  {len(calls)} operations, {flops / sum(medians) / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
