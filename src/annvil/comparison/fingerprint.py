"""What identifies a comparison: the same data asked the same question in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from annvil.comparison.problem import Problem
from annvil.comparison.race.plan import Entrants
from annvil.comparison.request import Request
from annvil.models.contract import Contender


def fingerprint(
    problem: Problem, contenders: Sequence[Contender], request: Request, entrants: Entrants
) -> dict[str, Any]:
    """JSON-able; each entry is named as a user would name what differs."""
    return {
        "Annvil's version": version("annvil"),
        **problem.digest(),
        "the metric": request.metric.name,
        "worth": request.worth,
        "the seed": request.seed,
        "the confidence": request.confidence,
        "the contenders": [contender.name for contender in contenders],
        "the plan": asdict(replace(entrants.plan, sentences=(), budget_seconds=0.0)),
    }
