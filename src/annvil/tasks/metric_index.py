"""All metrics by name, for their words; what computes a score is the task's own metric of that name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annvil.errors import RequestError, did_you_mean
from annvil.tasks.class_metrics import BINARY_METRICS
from annvil.tasks.label_metrics import LABEL_METRICS
from annvil.tasks.metrics import Metric
from annvil.tasks.regression_metrics import REGRESSION_METRICS

_OTHERS = tuple(metric for metric in LABEL_METRICS if metric.name not in {one.name for one in BINARY_METRICS})

METRICS: Mapping[str, Metric] = {one.name: one for one in (*BINARY_METRICS, *_OTHERS, *REGRESSION_METRICS)}
"""One metric of each name."""


def metric_named(name: str, offered: Sequence[Metric], answers: str) -> Metric:
    """The one of that name among those ``offered`` for ``answers``; hyphens, spaces and capitals do not matter.

    Raises
    ------
    RequestError
        When there is none of that name, or it does not score such answers.
    """
    known = {metric.name: metric for metric in offered}
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    if key in known:
        return known[key]
    choose = f"hoose from {', '.join(known)}."
    if key not in METRICS:
        raise RequestError(f"No metric is called {name!r}.{did_you_mean(key, known)} C{choose}")
    raise RequestError(f"{METRICS[key].title} does not score {answers}; for this task c{choose}")
