"""Freed memory is found again without asking the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.training.helpers import ROWS
from torch import nn

from annvil.training import Member, Recipe, train_population
from annvil.training.system.allocator import freed_memory_kept

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

FAULTS = """
import resource
import torch
from annvil.training.system.allocator import freed_memory_kept

def faults_of_making():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(10 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults_of_making()
print(faults_of_making())
with freed_memory_kept() as kept:
    assert kept
    for _ in range(10):  # until the heap has room beside the small things that lie in between
        faults_of_making()
    print(faults_of_making())
print(faults_of_making())
"""
"""Pages that the system cleared while blocks of 40 MB were made and let go; in a process whose heap nobody has used."""


@glibc
def test_pages_are_kept_and_given_back_in_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    usual, within, afterwards = map(int, done.stdout.split())
    assert usual > 40_000  # five times 40 MB in pages of 4 kB, give or take
    assert within < 0.1 * usual
    assert afterwards > 0.15 * usual  # the first of the five at least


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annvil.training.system.allocator._glibc", lambda: None)
    with freed_memory_kept() as kept:
        assert not kept


@glibc
@pytest.mark.parametrize(("width", "kept"), [(8, False), (4096, True)])
def test_large_steps_keep_memory_and_say_so(width: int, kept: bool) -> None:
    inputs, targets = torch.randn(200, 6), torch.arange(200) % 2
    member = Member(ROWS, np.arange(0), 0)
    population = train_population(
        lambda _: nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 2)),
        (inputs,),
        targets,
        [member],
        Recipe(1, batch_size=200),
        "cross-entropy",
    )
    assert ("memory" in population.choices) == kept
