"""The saved model that the tests of bundles have, for those of its graph."""

from __future__ import annotations

from tests.bundle.conftest import example

__all__ = ["example"]
