"""Examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest
from tests.architecture.test_acyclic import sources

WITH_EXAMPLES = sorted(module for module, text in sources().items() if ">>> " in text)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted
    assert not found.failed
