"""Names that are imported when first used, so that ``import annvil`` and ``annvil --help`` stay quick."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, *eager: str) -> tuple[Callable[[str], Any], list[str]]:
    """``__getattr__`` (PEP 562) and ``__all__`` of a package, from the imports below its ``if TYPE_CHECKING``.

    What type checkers, import-linter and the documentation read is what is imported: each name is written once.
    ``eager`` are names that the package has already.
    """
    homes = _homes(package)

    def __getattr__(name: str) -> Any:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__, sorted([*homes, *eager])


def _homes(package: str) -> dict[str, str]:
    """Name → module, read from the source of the package (its loader has it, whether from a folder or an archive)."""
    loader: Any = sys.modules[package].__spec__.loader  # type: ignore[union-attr]
    tree = ast.parse(loader.get_source(package))
    blocks = (node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = (node for block in blocks for node in block if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.name: str(node.module) for node in imports for alias in node.names}
