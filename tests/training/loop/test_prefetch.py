"""Rows in files are the same rows, read while the step before is computed."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.helpers import equal, seeded, weights
from torch import Tensor, nn

from annvil.errors import DataError
from annvil.training import Member, Population, Recipe, train_population
from annvil.training.loop import prefetch as fetching
from annvil.training.loop.prefetch import Fetcher, FileSource, Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what is mapped")

GENERATOR = torch.Generator().manual_seed(0)
ROWS = np.arange(300)
PICTURES = torch.randint(0, 256, (300, 3, 28, 28), generator=GENERATOR, dtype=torch.uint8)  # 2352 bytes: read
NUMBERS = torch.randn(300, 6, generator=GENERATOR)  # 24 bytes: touched
CLASSES = (NUMBERS[:, 0] > 0).long()


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SMALL", 0)


class Both(nn.Module):
    """Sees pictures and numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures, self.numbers = nn.Linear(3 * 28 * 28, 4), nn.Linear(6, 4)
        self.out = nn.Linear(8, 2)

    def forward(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        hidden = torch.cat([self.pictures(pictures.flatten(1)), self.numbers(numbers)], 1)
        return self.out(torch.relu(hidden))  # type: ignore[no-any-return]


def mapped(tensor: Tensor, path: Path, mode: Any = "r") -> Tensor:
    np.save(path, tensor.numpy())
    return mapped_again(path, mode)


def mapped_again(path: Path, mode: Any = "r") -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # read-only, as it should be
        return torch.from_numpy(np.load(path, mmap_mode=mode))


def train(inputs: tuple[Tensor, ...], count: int = 2, **more: Any) -> Population:
    listed = {"epochs": 3, "batch_size": 64} | {k: v for k, v in more.items() if k != "checkpoint"}
    members = [Member(ROWS[: 230 - k], ROWS[230:], k, 0.003) for k in range(count)]
    return train_population(
        lambda member: seeded(Both(), member.seed), inputs, CLASSES, members, Recipe(**listed), "cross-entropy",
        checkpoint=more.get("checkpoint"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (2, {}),
        (1, {"batches": "exact", "shuffle": False}),
        (2, {"batches": "unpadded", "accumulate": 2, "threads": 2}),
        (1, {"parts": 2, "batches": "unpadded"}),
        (1, {"execution": "eager"}),
    ],
)
def test_a_mapped_file_gives_the_bytes_that_memory_gives(tmp_path: Path, count: int, settings: dict[str, Any]) -> None:
    inputs = mapped(PICTURES, tmp_path / "pictures.npy"), mapped(NUMBERS, tmp_path / "numbers.npy")
    there, here = train(inputs, count, **settings), train((PICTURES, NUMBERS), count, **settings)
    assert there.histories == here.histories
    assert all(equal(weights(there, k), weights(here, k)) for k in range(count))
    assert str(tmp_path / "numbers.npy") in there.choices["reading"]
    assert "reading" not in here.choices


def test_what_is_a_file_and_what_is_not(tmp_path: Path) -> None:
    whole = mapped(PICTURES, tmp_path / "a.npy")
    start = (tmp_path / "a.npy").stat().st_size - PICTURES.nbytes
    assert Mapping.of(whole) == Mapping(str(tmp_path / "a.npy"), start)
    assert Mapping.of(whole[5:]) == Mapping(str(tmp_path / "a.npy"), start + 5 * 2352)
    assert Mapping.of(mapped_again(tmp_path / "a.npy", "r+")) is not None
    assert Mapping.of(mapped_again(tmp_path / "a.npy", "c")) is None  # may hold other bytes than the file
    assert Mapping.of(PICTURES) is None
    assert Mapping.of(whole.transpose(0, 1)) is None
    assert Mapping.of(whole[:0]) is None
    assert Mapping.of(torch.zeros(1000, 10).share_memory_()) is None  # type: ignore[no-untyped-call]
    (tmp_path / "a.npy").rename(tmp_path / "b.npy")
    assert Mapping.of(whole) == Mapping(str(tmp_path / "b.npy"), start)
    (tmp_path / "b.npy").unlink()
    assert Mapping.of(whole) is None  # its memory is still there, its file is not


def test_another_file_under_the_same_name_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mapped(PICTURES, tmp_path / "a.npy")
    np.save(tmp_path / "other.npy", 255 - PICTURES.numpy())
    told = Path("/proc/self/maps").read_text().replace(f"{tmp_path}/a.npy", f"{tmp_path}/other.npy")
    (tmp_path / "maps").write_text(told)
    monkeypatch.setattr(fetching, "_MAPPINGS", tmp_path / "maps")
    assert Mapping.of(whole) is None
    monkeypatch.setattr(fetching, "_MAPPINGS", tmp_path / "none")
    assert Mapping.of(whole) is None


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    whole = mapped(PICTURES, path)
    (source,) = fetching.sources((whole,))
    assert source is not None
    os.truncate(path, path.stat().st_size - 2 * 2352)
    with pytest.raises(DataError, match=r"a\.npy has become shorter while a network learnt from it"):
        source.gather(torch.tensor([0, 299]), torch.empty(2, 3, 28, 28, dtype=torch.uint8))


class Gated(FileSource):
    """A source that reads a batch when it is let, and says when it has."""

    def __init__(self, tensor: Tensor, mapping: Mapping) -> None:
        super().__init__(tensor, mapping)
        self.may_read, self.has_read = threading.Semaphore(1), threading.Semaphore(0)

    def gather(self, rows: Tensor, out: Tensor) -> None:
        assert self.may_read.acquire(timeout=60)
        super().gather(rows, out)
        self.has_read.release()


def test_the_next_batch_is_read_while_a_step_is_computed(tmp_path: Path) -> None:
    whole = mapped(PICTURES, tmp_path / "a.npy")
    mapping = Mapping.of(whole)
    assert mapping is not None
    batches = torch.randint(0, 300, (10, 2, 16), generator=GENERATOR).unbind()
    source = Gated(whole, mapping)
    fetcher = Fetcher((whole, NUMBERS), (source, None))
    pictures, numbers = torch.empty(2, 16, 3, 28, 28, dtype=torch.uint8), torch.empty(2, 16, 6)
    for now, then in zip(batches, (*batches[1:], None), strict=True):
        fetcher.expect(now, then)
        fetcher.fill(now[:, :16], (pictures, numbers))
        if now is batches[0]:
            assert source.has_read.acquire(timeout=60)
        if then is not None:  # the step: nobody asks for the next batch yet, and it comes
            source.may_read.release()
            assert source.has_read.acquire(timeout=60)
        assert torch.equal(pictures, PICTURES[now])
        assert torch.equal(numbers, NUMBERS[now])


def test_the_thread_and_the_file_go_with_the_training(tmp_path: Path) -> None:
    inputs = mapped(PICTURES, tmp_path / "pictures.npy"), NUMBERS
    found = train(inputs, 1, epochs=1)
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("annvil-fetch")]
    del found, inputs
    gc.collect()
    opened = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _is_open(name)]
    assert str(tmp_path / "pictures.npy") not in opened


def _is_open(name: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{name}")
