"""What was measured once is remembered; what is damaged is measured again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from annvil.training.system import hardware as machine


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_in_this_process", {})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "annvil" / "machine.json"


def test_a_measurement_is_remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gains = iter([2.5, 0.1])
    monkeypatch.setattr(machine, "_measure_bfloat16", lambda: next(gains))
    assert machine.bfloat16_pays()
    assert machine.bfloat16_gain() == 2.5
    machine._in_this_process.clear()
    assert machine.bfloat16_gain() == 2.5
    assert list(json.loads(cache.read_text()).values()) == [{"bfloat16_gain": 2.5}]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"a": 3}', "\x00\xff"])
def test_a_damaged_file_is_measured_again(cache: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.mkdir()
    cache.write_text(content, encoding="latin-1")
    monkeypatch.setattr(machine, "_measure_bfloat16", lambda: 1.0)
    assert not machine.bfloat16_pays()
    assert machine._this_machine() in json.loads(cache.read_text())


def test_what_cannot_be_written_is_measured_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    gains = iter([2.5, 0.1])
    monkeypatch.setattr(machine, "_measure_bfloat16", lambda: next(gains))
    assert [machine.bfloat16_gain(), machine.bfloat16_gain()] == [2.5, 2.5]
    machine._in_this_process.clear()
    assert machine.bfloat16_gain() == 0.1


def test_a_second_worker_that_gained_nothing_is_tried_again_by_the_next_process(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = iter([1.0, 1.9])
    monkeypatch.setattr(machine, "_measure_workers", lambda: next(gains))
    assert [machine.second_worker_gain(), machine.second_worker_gain()] == [1.0, 1.0]
    machine._in_this_process.clear()
    assert machine.second_worker_gain() == 1.9


def test_the_real_measurements_are_sensible(cache: Path) -> None:
    assert 0.001 < machine.bfloat16_gain() < 1000
    assert 0.1 < machine.second_worker_gain() < 10
    assert machine.cores() >= 1
