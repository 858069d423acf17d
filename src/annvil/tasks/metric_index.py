"""All metrics by name, for their words; what computes a score is the task's own metric of that name."""

from __future__ import annotations

from collections.abc import Mapping

from annvil.tasks.class_metrics import BINARY_METRICS
from annvil.tasks.forecast_metrics import FORECAST_METRICS
from annvil.tasks.label_metrics import LABEL_METRICS
from annvil.tasks.metrics import Metric
from annvil.tasks.regression_metrics import REGRESSION_METRICS
from annvil.tasks.transcription_metrics import TRANSCRIPTION_METRICS

_OTHERS = tuple(metric for metric in LABEL_METRICS if metric.name not in {one.name for one in BINARY_METRICS})

_SCALED = tuple(metric for metric in FORECAST_METRICS if metric.name not in {one.name for one in REGRESSION_METRICS})

METRICS: Mapping[str, Metric] = {
    one.name: one for one in (*BINARY_METRICS, *_OTHERS, *REGRESSION_METRICS, *_SCALED, *TRANSCRIPTION_METRICS)
}
"""One metric of each name."""
