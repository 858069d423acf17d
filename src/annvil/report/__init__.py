"""A finished run as one self-contained HTML file: shows what the other rooms found, computes no science of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.report.page import render
    from annvil.report.usage import usage_snippets
    from annvil.report.view import HeldOut, ReportView, Reproduction, ShippedModel, Snippet

__all__ = ["HeldOut", "ReportView", "Reproduction", "ShippedModel", "Snippet", "render", "usage_snippets"]

_HOMES = {
    **dict.fromkeys(("HeldOut", "ReportView", "Reproduction", "ShippedModel", "Snippet"), "annvil.report.view"),
    "render": "annvil.report.page",
    "usage_snippets": "annvil.report.usage",
}

__getattr__ = lazy_names(__name__, _HOMES)
