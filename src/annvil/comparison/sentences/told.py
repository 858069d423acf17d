"""What every sentence of a verdict is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from annvil.comparison.evidence import Evidence, Finding
from annvil.comparison.recommendation import NOT_WORSE
from annvil.comparison.results import Posterior, Side
from annvil.tasks.metrics import Metric
from annvil.text.phrases import is_plural, named


class Told:
    """Evidence and finding, and how amounts and sides are named."""

    def __init__(self, evidence: Evidence, finding: Finding) -> None:
        self.evidence, self.finding, self.words = evidence, finding, evidence.words
        self.metric: Metric = evidence.metric
        self.table = {s.contender: s for s in evidence.standings}
        self.worth = self.amount(evidence.worth)
        titles = {s.contender: s.title for s in evidence.standings}
        self.network, self.simple = (
            none if side is None else f"{named(side_title(side, titles))}{'' if stood_alone(side) else EACH}"
            for side, none in ((finding.network, "a network"), (finding.simple, "a simple model"))
        )

    def amount(self, difference: float, *, sign: bool = False) -> str:
        """A difference with the metric's name: "0.003 in ROC AUC", "512 in RMSE"."""
        return f"{self.metric.tells(difference, sign=sign)} in {self.metric.title}"

    @property
    def network_may_know(self) -> bool:
        """Whether it is likelier than not that the network side beats guessing."""
        return (self.finding.beats_guessing or 0.0) > NOT_WORSE

    def seems_better(self, posterior: Posterior) -> bool:
        """Whether a network would have been the answer, had it been beyond doubt that it beats guessing."""
        return self.finding.kind == "cannot tell" and posterior.p_first >= self.evidence.confidence


EACH = " (each fold's choice)"
"""Of a side that several stood for: its score is that of none of them."""


SIDES = {
    "network": "Networks", "simple": "Simple models", "explainable": "Explainable models", "other": "Other models",
}  # fmt: skip


def side_title(side: Side, titles: Mapping[str, str]) -> str:
    """The title of the one contender that stood for a side in every fold; the side's where they were several."""
    return titles[side.contenders[0]] if stood_alone(side) else SIDES[side.name]


def stood_alone(side: Side) -> bool:
    """Whether one contender stood for the side in every fold."""
    return len(set(side.contenders)) == 1


def usual(side: Side | None) -> str:
    """Who stood for the side most often; the first of equals."""
    assert side is not None
    return Counter(side.contenders).most_common(1)[0][0]


def beats(name: str) -> str:
    """The verb after a title."""
    return "beat" if is_plural(name) else "beats"
