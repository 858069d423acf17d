"""The record of a verdict, put into words."""

from __future__ import annotations

from annvil.comparison.evidence import Evidence, Finding
from annvil.comparison.results import Verdict
from annvil.comparison.sentences.because import Because
from annvil.comparison.sentences.headline import Headline
from annvil.comparison.sentences.reasons import Reasons


def put_into_words(evidence: Evidence, finding: Finding) -> Verdict:
    """The verdict record."""
    reasons, because = Reasons(evidence, finding), Because(evidence, finding)
    return Verdict(
        kind=finding.kind,
        headline=Headline(evidence, finding).headline(),
        sentences=tuple(sentence for sentence in reasons.sentences() if sentence),
        recommended=finding.recommendation.contender,
        recommended_because=because.because(),
        posterior=finding.posterior,
        network_ruled_out=finding.network_ruled_out,
        rows_that_would_tell=finding.rows_that_would_tell,
        base_rate=evidence.base_rate,
        network=finding.network,
        simple=finding.simple,
        more_rows=reasons.curves(),
        costs=tuple(sentence for sentence in (reasons.costs(), because.costs(), reasons.fairness()) if sentence),
        unfinished=finding.unfinished.name if finding.unfinished else "",
    )
