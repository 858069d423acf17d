"""Tables and paragraphs for the terminal: what the live screen and the final result share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table
from rich.text import Text

from annvil.cli.console import safe
from annvil.cli.steps import judged_step, ladder
from annvil.text import quantities as wording
from annvil.text.phrases import outside
from annvil.text.words import ROWS, Words

if TYPE_CHECKING:
    from rich.console import RenderableType

    from annvil.comparison.results import Cost, Standing

NARROW, MEDIUM, WIDE = 60, 106, 134
"""Terminal widths from which further columns are shown (measured on real names and numbers)."""

STANDARD, SHORTEST_NAME, LONGEST_NAME = 80, 16, 24
"""A name of at most 16 signs stays on one line, of 24 from 80 columns on; the state beside it folds instead."""

_IN_ASCII = str.maketrans({"→": ">", "±": "+-", "–": "-", "−": "-"})
_STATE_STYLES = {"running": "cyan", "waiting": "dim", "failed": "red", "cut short": "yellow", "skipped": "dim"}


def paragraphs(lines: Iterable[tuple[str, RenderableType]], width: int = 8) -> Table:
    """Texts beside their labels (at least ``width`` wide), with the text wrapped under itself."""
    grid = Table.grid(padding=(0, 2), pad_edge=False)
    grid.add_column(style="bold cyan", no_wrap=True, min_width=width)
    grid.add_column(ratio=1, overflow="fold")
    for label, text in lines:
        grid.add_row(label, Text(safe(text)) if isinstance(text, str) else text)
    return grid


def standings_table(
    standings: Sequence[Standing],
    metric: str,
    width: int,
    *,
    recommended: str = "",
    live: bool = False,
    words: Words = ROWS,
    plain: bool = False,
) -> Table:
    """Every contender's score beside its cost, best first.

    ``metric`` is the name of the metric that decides. ``live`` draws how far each has come on its ladder of steps,
    where the finished table names the step that is judged, and leaves reasons for later; the contender of the name
    ``recommended`` is marked. ``words`` say what one prediction is about; ``plain`` is for terminals of ASCII only.
    """
    from annvil.tasks.metric_index import METRICS

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("", width=1)
    table.add_column("Model", overflow="fold", min_width=SHORTEST_NAME)
    title = outside(METRICS[metric].title) if metric in METRICS else metric
    table.add_column(title, justify="right", no_wrap=True)
    if width >= NARROW:
        table.add_column("Steps" if live else "Step", no_wrap=True)
    if width >= WIDE:
        table.add_column("Folds", justify="right")
    table.add_column("Training", justify="right", no_wrap=True)
    if width >= MEDIUM:
        table.add_column(f"One {words.row}", justify="right", no_wrap=True)
        table.add_column("Size", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("Parameters", justify="right", no_wrap=True)
    one_line = live and width >= NARROW  # a table that is redrawn should not grow
    table.add_column("State", overflow="ellipsis" if one_line else "fold", no_wrap=one_line)
    for standing in standings:
        chosen = standing.contender == recommended
        cells = ["→" if chosen else "", safe(standing.title), _score(standing, metric)]
        if width >= NARROW:
            cells.append(ladder(standing, plain=plain) if live else judged_step(standing).removeprefix("step "))
        if width >= WIDE:
            cells.append(str(len(standing.per_fold)) if standing.per_fold else "–")
        cells += _costs(standing.cost, width)
        if plain:
            cells = [cell.translate(_IN_ASCII) for cell in cells]
        style = _STATE_STYLES.get(standing.state, "")
        table.add_row(*cells, Text(_state(standing, live), style=style), style="bold" if chosen else "")
    _share_the_rest(table, width)
    return table


def _share_the_rest(table: Table, width: int) -> None:
    """Name and state, the columns that wrap, share what the others leave, and neither breaks a word if it can.

    Rich takes all that lacks from the widest column and crops what is then still too wide.
    """
    name, state = table.columns[1], table.columns[-1]
    gaps = 3 * (len(table.columns) - 1)
    left = width - gaps - sum(_longest(column) for column in table.columns[:1] + table.columns[2:-1])
    word = max((len(word) for cell in state.cells for word in str(cell).split()), default=0)
    if _longest(name) + _longest(state) <= left or left < 2 * word or state.no_wrap:
        return  # all fits, or nothing does
    wanted = min(_longest(name), LONGEST_NAME if width >= STANDARD else SHORTEST_NAME)
    name.width = max(wanted, left - _longest(state)) if wanted + word <= left else left - word
    state.width = left - name.width


def _longest(column: Column) -> int:
    """The signs of its longest line, the heading's included."""
    return column.width or max(len(str(cell)) for cell in (column.header, *column.cells))


def _score(standing: Standing, metric: str) -> str:
    from annvil.tasks.metric_index import METRICS

    if metric not in standing.means:
        return "–"
    return METRICS[metric].shows_mean(standing.means[metric], standing.spread(metric))


def _costs(cost: Cost | None, width: int) -> list[str]:
    """Training time, and as many further costs as there is room for; a dash for what is not known."""
    if cost is None:
        return ["–"] * (1 if width < MEDIUM else 3 if width < WIDE else 4)
    cells = [wording.seconds(cost.fit_seconds)]
    if width >= MEDIUM:
        cells.append("–" if cost.latency_ms_p50 is None else wording.seconds(cost.latency_ms_p50 / 1000))
        cells.append("–" if cost.size_bytes is None else wording.size(cost.size_bytes))
    if width >= WIDE:
        cells.append(wording.count(cost.n_parameters))
    return cells


def _state(standing: Standing, live: bool) -> str:
    """Its state and why; of who is done, whether more effort may make it better: that it does shows from two steps."""
    state = standing.told
    if state == "finished" and standing.still_improves:
        state = "still improves" if len(standing.rung_means) > 1 else "may improve"
    why = standing.reason if state == standing.state and not live else ""
    return f"{state}: {safe(why)}" if why else state
