"""A finished run as one self-contained HTML file: shows what the other rooms found, computes no science of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.report.page import render as render, render_explanation as render_explanation
    from annvil.report.view import (
        HeldOut as HeldOut,
        ReportView as ReportView,
        Reproduction as Reproduction,
        ShippedModel as ShippedModel,
        Snippet as Snippet,
        usage_snippets as usage_snippets,
    )

__getattr__, __all__ = lazily(__name__)
