"""Sections on a page of their own, without a run around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from markupsafe import Markup

from annvil.report.figure import panels_figure, shapes_figure, waterfall_figure
from annvil.report.page import as_data, as_sound, environment, is_heard, style_and_digest
from annvil.sections import Section


@dataclass(frozen=True)
class _Shown:
    sections: Sequence[Section]


def render_sections(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """One HTML document that needs nothing else, as `annvil.report.page.render` makes it; ``lead`` stands above all."""
    style, digest = style_and_digest()
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            lead=lead,
            view=_Shown(sections),
            style=Markup(style),  # our own file
            style_hash=digest,
            as_data=as_data,
            as_sound=as_sound,
            is_heard=is_heard,
            as_figure=panels_figure,
            as_shapes=shapes_figure,
            as_steps=waterfall_figure,
            version=version("annvil"),
        )
    )
