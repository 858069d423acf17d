"""A chart that stands on its own: in a file, or in a notebook, with its colours inside."""

from __future__ import annotations

from annvil.plots.svg import Drawing

_STYLE = """
.annvil { --paper: #fdfcfa; --ink: #1c1d1f; --ink-2: #55585d; --ink-3: #6b6f75; --grid: #ebe8e1;
  --first: #0b62a8; --second: #b8550b; --third: #2b6b4f; max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) { .annvil { --paper: #15171a; --ink: #eceae6; --ink-2: #b3b5b9; --ink-3: #8d9096;
  --grid: #272a2f; --first: #6cb4f0; --second: #f0a053; --third: #7cc7a2; } }
.annvil .paper { fill: var(--paper); }
.annvil text { font: 12px Inter, Roboto, "Helvetica Neue", "Segoe UI", "Nimbus Sans", Arial, sans-serif;
  fill: var(--ink-2); font-variant-numeric: tabular-nums lining-nums; }
.annvil .tick, .annvil .note { font-size: 11.5px; fill: var(--ink-3); }
.annvil .label { fill: var(--ink); } .annvil .strong { fill: var(--ink); font-weight: 650; }
.annvil .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.annvil .grid { stroke: var(--grid); stroke-width: 1; } .annvil .axis { stroke: var(--ink-3); stroke-width: 1; }
.annvil .guide { stroke: var(--ink-3); stroke-width: 1; stroke-dasharray: 3 4; }
.annvil .network { --c: var(--first); } .annvil .simple { --c: var(--second); } .annvil .dummy { --c: var(--third); }
.annvil .line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.annvil .line.thin { stroke-width: 1.5; stroke-opacity: 0.9; }
.annvil .line.dotted { stroke: var(--ink-3); stroke-width: 1.6; stroke-dasharray: 1.5 3.2; }
.annvil .band { fill: var(--c); fill-opacity: 0.14; }
.annvil .mark { fill: var(--c); stroke: var(--paper); stroke-width: 1.2; } .annvil .mark.faint { fill-opacity: 0.7; }
.annvil .mark.open { fill: var(--paper); stroke: var(--c); stroke-width: 2; }
.annvil .cross { fill: none; stroke: var(--c); stroke-width: 2; stroke-linecap: round; }
.annvil .bar { fill: var(--c); fill-opacity: 0.45; } .annvil .leader { stroke: var(--ink-3); stroke-width: 0.8; }
"""


_MARGIN = 14
"""CSS pixels of paper around the drawing."""


def alone(drawing: Drawing, name: str, title: str, description: str) -> str:
    """The drawing's ``<svg>`` with its name space, its style, and paper behind and around it.

    Colours follow the reader's light or dark setting. The style speaks of class ``annvil`` only, so that a page which
    holds such charts is not changed by them.
    """
    _, inside = drawing.svg(name, title, description).split(">", 1)
    width, height = drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN
    size = f'width="{width:g}" height="{height:g}"'
    described = f'class="annvil chart" role="img" aria-labelledby="{name}-t {name}-d"'
    box = f'viewBox="-{_MARGIN} -{_MARGIN} {width:g} {height:g}"'
    paper = f'<rect class="paper" x="-{_MARGIN}" y="-{_MARGIN}" {size}/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {size} {described}><style>{_STYLE}</style>{paper}{inside}'
