"""How much memory is free."""

from __future__ import annotations

from annvil.trainer.arguments.memory import available_bytes


def test_the_system_says(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable:    3000 kB\n")
    assert available_bytes(tmp_path / "meminfo", tmp_path) == 3000 * 1024


def test_a_container_may_have_less(tmp_path):
    (tmp_path / "meminfo").write_text("MemAvailable:    3000 kB\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert available_bytes(tmp_path / "meminfo", tmp_path) == 150_000


def test_a_container_without_a_limit_says_nothing(tmp_path):
    (tmp_path / "meminfo").write_text("MemAvailable:    3000 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(tmp_path / "meminfo", tmp_path) == 3000 * 1024


def test_there_is_always_something():
    assert available_bytes() > 1 << 20
