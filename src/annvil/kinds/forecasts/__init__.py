"""Forecasts: how series go on; a row is an origin, the moment up to which a series is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.kinds.forecasts.form import ForecastForm as ForecastForm
    from annvil.kinds.forecasts.histories import Histories as Histories
    from annvil.kinds.forecasts.kind import KIND as KIND

__getattr__, __all__ = lazily(__name__)
