"""Who competes on forecasts: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.kinds.forecasts.contenders.columns_used import Forecasting


def contenders_for_forecasts() -> list[Forecasting]:
    """Every contender for forecasts, in the order in which they run and are shown."""
    from annvil.kinds.forecasts.contenders.forecast_networks import (
        ConvolutionalForecaster,
        DenseForecaster,
        RecurrentForecaster,
    )
    from annvil.kinds.forecasts.contenders.lagged_trees import LaggedTrees
    from annvil.kinds.forecasts.contenders.linear_map import Autoregression, LinearMap
    from annvil.kinds.forecasts.contenders.naive import Drift, LastValue, SeasonalNaive
    from annvil.kinds.forecasts.contenders.smoothing import ExponentialSmoothing, ThetaContender

    return [
        LastValue(),
        SeasonalNaive(),
        Drift(),
        ExponentialSmoothing(),
        ThetaContender(),
        Autoregression(),
        LinearMap(),
        LaggedTrees(),
        DenseForecaster(),
        ConvolutionalForecaster(),
        RecurrentForecaster(),
    ]
