"""What is known beforehand is about the kind of data at hand."""

from __future__ import annotations

import pytest

from annvil.comparison.base_rates import base_rate


@pytest.mark.parametrize("n_rows", [100, 10_000, 1_000_000])
def test_of_pictures_nothing_is_said_about_tables(n_rows: int) -> None:
    said = base_rate("pictures", n_rows)
    assert "convolutional" in said
    assert "table" not in said
    assert "table" in base_rate("table", n_rows)
