"""What every sentence of a verdict is made from."""

from __future__ import annotations

from collections import Counter

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
        self.network = named(self.table[usual(finding.network)].title) if finding.network else "a network"
        self.simple = named(self.table[usual(finding.simple)].title) if finding.simple else "a simple model"

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


def usual(side: Side | None) -> str:
    """Who stood for the side most often; the first of equals."""
    assert side is not None
    return Counter(side.contenders).most_common(1)[0][0]


def beats(name: str) -> str:
    """The verb after a title."""
    return "beat" if is_plural(name) else "beats"
