"""Whatever the table, reading it gives a data set or one of our own errors, and what it gives is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from tests.strategies import Case, TextFile, broken_files, columns_of_values, files

from annvil.data.dataset import Dataset
from annvil.data.splits import inner_splits, outer_splits
from annvil.errors import AnnvilError
from annvil.kinds.registry import audit, read
from annvil.kinds.tables.conform import conform

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
quick_files = settings(quick, max_examples=15)  # DuckDB takes 40 ms to start
thorough = settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))


def read_or_refuse(source: Any, target: str) -> Dataset | None:
    """The data set, or None where it was refused in one of our sentences."""
    try:
        return read(source, target=target, drop_missing_target=True)
    except AnnvilError as error:
        text = str(error)
        assert text
        assert text[-1] in ".?", text
        assert len(text) < 2500, text
        return None


def check_sound(dataset: Dataset | None) -> None:
    """Promises of `Dataset` that everything above relies on."""
    if dataset is None:
        return
    n = dataset.n_rows
    assert n >= 20
    assert dataset.inputs.columns
    assert dataset.groups.shape == (n,)
    for column in dataset.inputs.columns:
        assert column.values.shape == (n,)
        if column.field.is_text:
            assert column.values.dtype == np.int32
            assert column.values.min() >= -1
            assert column.values.max() < len(column.levels)
            assert "" not in column.levels
            assert len(set(column.levels)) == len(column.levels)
        else:
            assert column.values.dtype == np.float64
            assert not np.isinf(column.values).any()
    if dataset.task.predicts_probabilities:
        assert sorted(set(dataset.y.tolist())) == list(range(len(dataset.task.classes)))
    else:
        assert np.isfinite(dataset.y).all()
    assert all(finding.what and finding.action for finding in audit(dataset))
    try:
        splits = outer_splits(dataset, 5, 1, 0)[0]
    except AnnvilError:
        return
    tested = np.concatenate([rows.test for rows in splits])
    assert np.array_equal(np.sort(tested), np.arange(n))
    for rows in splits:
        assert not set(dataset.groups[rows.train]) & set(dataset.groups[rows.test])
        if len(np.unique(dataset.groups[rows.train])) >= 5:
            inner_splits(dataset, rows.train, 1, 0)


def check_in_memory(case: Case) -> None:
    dataset = read_or_refuse(case.as_dict(), case.target)
    check_sound(dataset)
    if dataset is not None:
        table, _ = conform(case.as_dict(), dataset.inputs.schema)
        kept = [i for i, value in enumerate(case.as_dict()[case.target]) if i < table.n_rows]
        assert table.schema == dataset.inputs.schema
        assert len(kept) == table.n_rows


def check_file(file: TextFile, folder: Path) -> None:
    path = folder / f"table{file.suffix}"
    path.write_bytes(file.content)
    check_sound(read_or_refuse(path, file.target))


@quick
@given(columns_of_values())
def test_tables_in_memory(case: Case) -> None:
    check_in_memory(case)


@quick_files
@given(file=files())
def test_text_files(file: TextFile, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_file(file, tmp_path_factory.mktemp("hostile"))


@quick_files
@given(file=broken_files())
def test_broken_files(file: TextFile, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_file(file, tmp_path_factory.mktemp("broken"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@thorough
@given(columns_of_values())
def test_thousands_of_tables_in_memory(case: Case) -> None:
    check_in_memory(case)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@thorough
@given(file=files())
def test_thousands_of_text_files(file: TextFile, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_file(file, tmp_path_factory.mktemp("hostile"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@thorough
@given(file=broken_files())
def test_thousands_of_broken_files(file: TextFile, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_file(file, tmp_path_factory.mktemp("broken"))
