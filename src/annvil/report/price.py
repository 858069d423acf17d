"""What understanding costs, as the report shows it: the sentence of the record, two charts, and both sides' costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from annvil.comparison.results import Comparison
from annvil.plots.charts.paired import paired
from annvil.plots.charts.posterior import posterior
from annvil.report.figure import Figure, figure
from annvil.report.figures import belief_of, fold_pairs
from annvil.tasks.metric_index import METRICS
from annvil.text.quantities import told
from annvil.text.words import ROWS, Words

SIDES = ("other", "explainable")


@dataclass(frozen=True)
class PriceView:
    """The section: its sentences, its charts, and who stood for the two sides."""

    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]
    contenders: tuple[str, ...]


def price_view(comparison: Comparison, words: Words = ROWS) -> PriceView | None:
    """None where no readable model competes, or the run did not ask."""
    price, metric = comparison.price, METRICS[comparison.metric]
    if price is None or price.kind == "not applicable":
        return None
    stood = {name for side in (price.explainable, price.other) if side is not None for name in side.contenders}
    figures = []
    if (p := price.posterior) is not None:
        belief = replace(belief_of(p), sides=SIDES[::-1])
        caption = (
            f"What is given up is {told(metric, p.mean, signed=True)}, with 95% probability between "
            f"{told(metric, p.low, signed=True)} and {told(metric, p.high, signed=True)}; inside the shaded region, "
            f"±{told(metric, p.worth)}, the two sides count as practically equal. Short ticks are the folds."
        )
        draw = partial(posterior, belief, f"given up in {metric.title}")
        figures.append(figure("price", "How sure the price is", caption, draw))
    if pairs := fold_pairs(comparison, price.other, price.explainable):
        caption = (
            "In every fold each side is represented by the model that inner validation preferred, before the test "
            f"{words.rows} were looked at."
        )
        draw = partial(paired, pairs, metric.title, metric.greater_is_better, sides=SIDES)
        figures.append(figure("price-paired", f"Both sides on the same {words.rows}", caption, draw))
    rows = tuple(s.contender for s in comparison.standings if s.contender in stood)
    return PriceView((price.sentence, *price.costs), tuple(figures), rows)
