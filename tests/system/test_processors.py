"""What the processor has, by what the system tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annvil.system import processors


@pytest.mark.parametrize(
    ("told", "units"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile\n", "tiles"),
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", "vectors"),
        ("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n", "vectors"),
        ("processor\t: 0\nflags\t\t: fpu avx2\n", ""),
        ("", ""),
    ],
)
def test_units_for_bfloat16_by_flags(told: str, units: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, **_: Any) -> str:
        return told

    monkeypatch.setattr(processors.sys, "platform", "linux")
    monkeypatch.setattr(Path, "read_text", read)
    assert processors.bfloat16_units.__wrapped__() == units


def test_a_system_that_does_not_tell_has_none_that_is_known_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path, **_: Any) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(processors.sys, "platform", "linux")
    monkeypatch.setattr(Path, "read_text", missing)
    assert processors.bfloat16_units.__wrapped__() == ""
