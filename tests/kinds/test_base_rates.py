"""What is known beforehand is about the kind of data at hand."""

from __future__ import annotations

import pytest

from annvil.data.plugins import kind_named


@pytest.mark.parametrize("n_rows", [100, 10_000, 1_000_000])
def test_of_pictures_nothing_is_said_about_tables(n_rows: int) -> None:
    said = kind_named("pictures").base_rate(n_rows)
    assert "convolutional" in said
    assert "table" not in said
    assert "table" in kind_named("tables").base_rate(n_rows)


def test_base_rates_name_their_sources_by_size() -> None:
    small, middle, large = (kind_named("tables").base_rate(n) for n in (500, 10_000, 1_000_000))
    assert small.startswith("On tables as small as this")
    assert "45 tables" in middle
    assert "TabArena" in large
