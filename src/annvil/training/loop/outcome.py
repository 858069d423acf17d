"""What a run was made with, in words, for the result's ``choices``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from annvil.training.loop.job import TrainingJob


def choices_of(job: TrainingJob, waves: int, competed: bool, matrices: Sequence[str], processes: int) -> dict[str, Any]:
    """Waves, Muon's parameters, files that are read, and processes, where there are any."""
    choices: dict[str, Any] = {}
    if waves > 1:
        because = "the memory does not hold all members at once; they trained one wave after another"
        because += ", and candidates competed within their wave" if competed else ""
        choices |= {"waves": waves, "waves_because": because}
    if job.recipe.optimizer == "muon":
        others = {"adamw": "AdamW", "sgd": "SGD"}[job.recipe.muon.others]
        choices["muon"] = f"Muon for {', '.join(matrices) or 'no parameter'}; {others} for the others"
    files = sorted({source.path for source in job.sources if source is not None})
    if files:
        choices["reading"] = f"batches are read from {', '.join(files)} while the steps before are computed"
    if processes > 1:
        choices["processes"] = processes
    return choices
